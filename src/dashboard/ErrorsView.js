import { byId, make } from "./Elements.js"
import { count, plural } from "./Format.js"
import { rights } from "./Rights.js"

/** The time between two reads of the metrics of the edge. */
const metricsEveryMilliseconds = 10_000

/** @typedef {{ stoppedAccounts?: ReadonlyArray<{ userId: string, problem: string }> }} Worker */

/** Returns the number of requests that an edge answered with each status of 500 or more. @param {string} metrics */
export const failuresIn = (metrics) => {
  /** @type {Map<string, number>} */
  const failures = new Map()
  const samples = metrics.matchAll(/^purchase_ledger_http_requests_total\{.*status="(5\d\d)".*\} (\d+)/gm)
  for (const [, status = "", number = ""] of samples) {
    failures.set(status, (failures.get(status) ?? 0) + Number(number))
  }
  return failures
}

/** The errors that the service knows: accounts that cannot be read, and requests that this edge could not serve. */
export class ErrorsView {
  /** @type {ReadonlyMap<string, number>} */
  failures = new Map()
  empty = byId("errors-empty")
  readAt = -Infinity

  /** @param {{ workers: ReadonlyArray<Worker> }} status */
  showStatus({ workers }) {
    const stopped = workers.flatMap(({ stoppedAccounts = [] }) => stoppedAccounts)
    const lines = [
      ...stopped.map(({ userId, problem }) => `The account of ${userId} is stopped: ${problem}`),
      ...Array.from(this.failures, ([status, number]) => `${plural(number, "request")} got ${status} from this edge.`)
    ]
    byId("errors").replaceChildren(...lines.map((line) => make("li", { class: "name" }, line)))
    this.empty.textContent = "No error is known."
    this.empty.hidden = lines.length > 0
    const failed = [...this.failures.values()].reduce((sum, number) => sum + number, 0)
    byId("errors-note").textContent =
      lines.length === 0
        ? "accounts that cannot be read, and requests that failed since this edge began"
        : `${plural(stopped.length, "account")} stopped, ${count(failed)} failed requests since this edge began`
    void this.read()
  }

  /**
   * Reads the metrics of the edge, unless the last read is too recent. A failed read is not shown, because the poll for
   * the status shows the failure.
   */
  async read() {
    const now = performance.now()
    if (now - this.readAt < metricsEveryMilliseconds || !rights.may("metrics:read")) return
    this.readAt = now
    try {
      const response = await fetch("metrics", { cache: "no-cache", headers: { accept: "text/plain" } })
      if (response.ok) this.failures = failuresIn(await response.text())
    } catch {
      // The poll for the status says that the service does not answer.
    }
  }
}
