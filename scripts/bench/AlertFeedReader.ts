import { eventsOf, linesOf } from "../../src/client/Lines.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

const haveAllMilliseconds = 30_000

/** Reads the feed of all alerts. Measures how long each alert came after its purchase was stored. */
export class AlertFeedReader {
  /** The milliseconds from the storing of the purchase to the arrival of each alert, by the clocks of this machine. */
  readonly latencies: Array<number> = []
  private readonly ending = new AbortController()
  private isOpen = false

  static async open(edgeUrl: string): Promise<AlertFeedReader> {
    const reader = new AlertFeedReader()
    void reader.read(edgeUrl)
    await until("the feed of alerts has begun", () => reader.isOpen)
    return reader
  }

  /** Waits until the feed has delivered a number of alerts. */
  async have(alerts: number): Promise<void> {
    await until(`${alerts} alerts have come`, () => this.latencies.length >= alerts, haveAllMilliseconds)
  }

  close(): void {
    this.ending.abort()
  }

  private async read(edgeUrl: string): Promise<void> {
    const { body } = await fetch(`${edgeUrl}/alerts/feed`, { signal: this.ending.signal })
    this.isOpen = true
    try {
      for await (const event of eventsOf(linesOf(body))) {
        if (event === undefined || event.name !== "" || event.data === "") continue
        const now = Date.now()
        const { alerts } = JSON.parse(event.data) as {
          readonly alerts: ReadonlyArray<{ readonly purchase: { readonly storedAt: string } }>
        }
        for (const { purchase } of alerts) this.latencies.push(now - Date.parse(purchase.storedAt))
      }
    } catch (cause) {
      if (!this.ending.signal.aborted) throw cause
    }
  }
}
