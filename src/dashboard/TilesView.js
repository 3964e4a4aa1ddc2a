import { byId } from "./Elements.js"
import { count, duration, plural, rate } from "./Format.js"
import { Sparkline } from "./Sparkline.js"

/** The figures at the top of the page. */
export class TilesView {
  line = new Sparkline(byId("applied-line"))

  /**
   * @param {{
   *   partitions: ReadonlyArray<{ waitingMessages?: number }>
   *   alerts?: ReadonlyArray<{ lagMilliseconds: number }>
   *   edge: { waitingPurchases: number }
   *   oldestWaitingMilliseconds?: number
   * }} status
   * @param {import("./Rates.js").Rate | undefined} rates
   */
  showStatus({ partitions, alerts, edge, oldestWaitingMilliseconds: oldest }, rates) {
    const waiting = partitions.reduce((sum, { waitingMessages = 0 }) => sum + waitingMessages, 0)
    const unknown = partitions.filter(({ waitingMessages }) => waitingMessages === undefined).length
    // The number of messages that wait is not known for a partition that no worker reads.
    const known = unknown === partitions.length ? "?" : `${count(waiting)}+`
    byId("waiting").textContent = unknown === 0 ? count(waiting) : known
    const atEdge = `and ${plural(edge.waitingPurchases, "purchase")} at this edge`
    byId("waiting-edge").textContent =
      oldest === undefined || waiting === 0 ? atEdge : `the oldest for ${duration(oldest)}, ${atEdge}`
    byId("applied").textContent = rates === undefined ? "–" : rate(rates.applied)
    byId("repeats").textContent = rates === undefined ? "–" : rate(rates.repeats)
    if (rates !== undefined) {
      this.line.add(rates.applied)
      byId("applied-note").textContent = `highest seen in two minutes: ${rate(this.line.highest)} /s`
    }
    this.showLag(alerts)
  }

  /**
   * Shows how far the judges are behind the applied purchases.
   *
   * @param {ReadonlyArray<{ lagMilliseconds: number }> | undefined} shards
   */
  showLag(shards) {
    const lag = Math.max(0, ...(shards ?? []).map(({ lagMilliseconds }) => lagMilliseconds))
    const isBehind = lag > 0
    byId("lag").textContent = shards === undefined ? "–" : isBehind ? rate(lag / 1_000) : "0"
    byId("lag-note").textContent =
      shards === undefined
        ? "the service does not say"
        : isBehind
          ? "since the oldest purchase that rules have not judged"
          : "no purchase waits for its alerts"
  }

  /** @param {ReturnType<import("./Latencies.js").Latencies["at"]>} latency */
  showLatency(latency) {
    byId("latency-median").textContent = latency === undefined ? "–" : count(latency.median)
    byId("latency-note").textContent =
      latency === undefined
        ? "nothing was applied in the last minute"
        : `p99 ${count(latency.high)} ms, of ${count(latency.count)} seen in a minute, by the broker's clock`
  }
}
