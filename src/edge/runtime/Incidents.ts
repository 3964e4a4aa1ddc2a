import { randomBytes } from "node:crypto"

/** The time for which the same failure counts as one incident, in milliseconds. */
const incidentMilliseconds = 1_000
/** The most incidents of one second with an id of their own. Further incidents of the same second share one id. */
const incidentsMax = 64
const idBytes = 6

/** An incident: a failure of the service that requests ran into. */
export interface Incident {
  /** The id in the problem and in the log. */
  readonly id: string
  /** Whether the failure is new, so that it has to be logged. */
  readonly isNew: boolean
}

/**
 * Gives ids to failures of the service. A problem and one line of the log have the id of the failure. Many requests run
 * into one failure, for instance while the broker is gone, so the same failure has one id for a second.
 */
export class Incidents {
  private readonly ids = new Map<string, string>()
  private begunAt = Number.NEGATIVE_INFINITY

  /** Returns the incident of a failure. Failures with equal texts are the same failure. `now` is in milliseconds. */
  of(failure: string, now = performance.now()): Incident {
    if (now - this.begunAt >= incidentMilliseconds) {
      this.ids.clear()
      this.begunAt = now
    }
    const key = this.ids.size < incidentsMax || this.ids.has(failure) ? failure : "further failures"
    const known = this.ids.get(key)
    if (known !== undefined) return { id: known, isNew: false }
    const id = randomBytes(idBytes).toString("hex")
    this.ids.set(key, id)
    return { id, isNew: true }
  }
}
