import { Context, Effect, Exit, Metric } from "effect"

const context = Context.empty()

/**
 * The upper bounds of the buckets in histograms of times, in seconds. The measured times range from a write to a fast
 * disk to an election of a leader.
 */
const secondsBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** The upper bounds of the buckets in histograms of sizes. */
const sizeBoundaries = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]

const named = (name: string): string => `purchase_ledger_${name}`
const counter = (name: string, description: string) => Metric.counter(named(name), { description, incremental: true })
const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.histogram(named(name), { description, boundaries })

/**
 * Returns a function that updates the series that has the given label values. A series of a metric exists from its
 * first update on.
 */
const labelled = <Input, State>(metric: Metric.Metric<Input, State>, ...labels: ReadonlyArray<string>) => {
  const series = new Map<string, Metric.Metric<Input, State>>()
  return (input: Input, ...values: ReadonlyArray<string>): void => {
    const key = values.join("\n")
    let one = series.get(key)
    if (one === undefined) {
      one = Metric.withAttributes(
        metric,
        Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ""]))
      )
      series.set(key, one)
    }
    one.updateUnsafe(input, context)
  }
}

const requests = labelled(
  counter("http_requests_total", "Requests; 5xx are errors, and with 499 the client left before its answer began."),
  "method",
  "route",
  "status"
)
const requestSeconds = labelled(
  histogram(
    "http_request_duration_seconds",
    "Time until an answer began; an answer that is a stream goes on after it.",
    secondsBoundaries
  ),
  "method",
  "route"
)

/** Counts a request that was answered. `seconds` is the time until the answer began. */
export const requestAnswered = (method: string, route: string, status: number, seconds: number): void => {
  requests(1, method, route, String(status))
  requestSeconds(seconds, method, route)
}

const published = labelled(
  counter("published_purchases_total", "Purchases that an edge sent to the input log, by what became of them."),
  "outcome"
)
const publishSeconds = histogram(
  "publish_duration_seconds",
  "Time to store one message of purchases.",
  secondsBoundaries
)
const publishSize = histogram("publish_purchases", "Purchases of one message.", sizeBoundaries)
const repeats = labelled(
  counter("repeats_total", "Purchases that came again, by the net that caught them: broker-window or purchase-id-set."),
  "net"
)

/**
 * Counts purchases that came again. `net` says where the repeats were found: in the broker's duplicate window or in the
 * purchaseId set.
 */
export const purchasesRepeated = (count: number, net: "broker-window" | "purchase-id-set"): void => repeats(count, net)

/**
 * Counts a message of purchases: its purchases, its outcome, and the time that the broker took to store the message.
 */
export const groupPublished = (
  purchases: number,
  outcome: "stored" | "repeat" | "failed",
  milliseconds: number
): void => {
  published(purchases, outcome)
  publishSeconds.updateUnsafe(milliseconds / 1_000, context)
  publishSize.updateUnsafe(purchases, context)
  if (outcome === "repeat") purchasesRepeated(purchases, "broker-window")
}

const commitSeconds = histogram(
  "commit_duration_seconds",
  "Time of one commit, from its publishing to its acknowledgement.",
  secondsBoundaries
)
const commitSize = histogram("commit_revisions", "Revisions of one commit.", sizeBoundaries)
const commits = labelled(counter("commits_total", "Commits, by what became of them."), "outcome")

/** Runs a commit, and counts the revisions, the time and the outcome of the commit. */
export const measuredCommit = <A, E, R>(revisions: number, commit: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    const began = clock.currentTimeNanosUnsafe()
    return Effect.onExit(commit, (exit) =>
      Effect.sync(() => {
        commits(1, Exit.isSuccess(exit) ? "committed" : "failed")
        commitSeconds.updateUnsafe(Number(clock.currentTimeNanosUnsafe() - began) / 1e9, context)
        commitSize.updateUnsafe(revisions, context)
      })
    )
  })

const applied = counter("applied_purchases_total", "Purchases that were applied.")
const reversed = counter("applied_reversals_total", "Reversals that were applied.")
const rejected = labelled(counter("rejected_purchases_total", "Rejected records, by reason."), "reason")

/** Counts purchases that were applied. */
export const purchasesApplied = (count: number): void => applied.updateUnsafe(count, context)

/** Counts reversals that were applied. */
export const reversalsApplied = (count: number): void => reversed.updateUnsafe(count, context)

/** The reasons of rejected records, as the label `reason` of the metric has them. */
type RejectedReason = "conflict" | "unreadable" | "account-unreadable" | "reversal-refused"

/** Counts purchases and reversals that are not applied, by the reason in their rejected records. */
export const purchasesRejected = (count: number, reason: RejectedReason): void => rejected(count, reason)

const judgedRevisions = counter("judged_revisions_total", "Revisions that were judged by rules.")
const judgedAlerts = counter(
  "judged_alerts_total",
  "Alerts that purchases gave. Alerts judged again are counted again."
)

/** Counts a revision that was judged, and the alerts of the revision. */
export const revisionJudged = (alerts: number): void => {
  judgedRevisions.updateUnsafe(1, context)
  if (alerts > 0) judgedAlerts.updateUnsafe(alerts, context)
}

const passivated = counter("actors_passivated_total", "Actors that left memory.")
/** Counts an actor that left memory. */
export const actorPassivated = (): void => passivated.updateUnsafe(1, context)

/** Sets the value of a gauge. The value `undefined` removes the series. */
export const setGauge = (
  name: string,
  description: string,
  value: number | undefined,
  attributes: Readonly<Record<string, string>> = {}
): void => {
  const gauge = Metric.withAttributes(Metric.gauge(named(name), { description }), attributes)
  if (value === undefined) Metric.removeUnsafe(gauge, context)
  else gauge.updateUnsafe(value, context)
}
