import { Effect, Layer } from "effect"
import { expect, it } from "vitest"
import { AlertFeed } from "../../src/alerts/AlertFeed.ts"
import type { FeedItem } from "../../src/feed/FeedItem.ts"
import { AlertLog } from "../../src/nats/AlertLog.ts"
import type { FeedMessage } from "../../src/nats/FollowedStream.ts"
import { behindCommit, encodeFeedPlace } from "../../src/protocol/FeedPlace.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

const pageMax = 2

/** Alerts in memory, of which the oldest are removed while a reader catches up. */
class MemoryAlerts {
  messages: ReadonlyArray<FeedMessage> = Array.from({ length: 10 }, (_, index) => ({
    userToken: "ann",
    place: behindCommit(index + 1),
    storedAt: 0,
    text: `alert ${index + 1}`
  }))
  removed = 0
  /** Called at the beginning of each read of a page, with the number of pages before. */
  onPage: (pages: number) => void = () => undefined
  private pages = 0

  remove(through: number): void {
    this.removed = through
    this.messages = this.messages.filter(({ place }) => place.sequence > through)
  }

  readonly layer = Layer.mock(AlertLog, {
    lastSequence: Effect.succeed(10),
    lastSequenceFrom: () => Effect.succeed(10),
    follow: () => Effect.never,
    removedThrough: Effect.sync(() => this.removed),
    page: ({ sequence }) =>
      Effect.sync(() => {
        this.onPage(this.pages)
        this.pages += 1
        return this.messages.filter(({ place }) => place.sequence > sequence).slice(0, pageMax)
      })
  })
}

const textOf = (item: FeedItem): ReadonlyArray<string> => {
  if (item.kind === "messages") return item.messages.map(({ place }) => encodeFeedPlace(place))
  return "place" in item ? [`${item.kind} ${encodeFeedPlace(item.place)}`] : []
}

/** Returns all that a reader gets that goes on after an id, until the reader has the last alert. */
const readAfter = (alerts: MemoryAlerts, lastEventId: string): Promise<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const feed = yield* AlertFeed
    const got: Array<string> = []
    const reading = feed
      .open({ lastEventId, ready: () => Promise.resolve() })
      .subscribe((item) => void got.push(...textOf(item)))
    yield* Effect.promise(() => until("the last alert came", () => got.at(-1) === "10"))
    reading.unsubscribe()
    return got
  }).pipe(Effect.provide(Layer.fresh(AlertFeed.layer).pipe(Layer.provide(alerts.layer))), Effect.runPromise)

it.each([
  ["0", ["start 0", "1", "2", "reset 7", "8", "9", "10"]],
  ["1", ["start 1", "2", "3", "reset 7", "8", "9", "10"]]
])("a reader after the id %s is told that alerts were removed while it caught up", async (lastEventId, expected) => {
  const alerts = new MemoryAlerts()
  alerts.onPage = (pages) => {
    if (pages === 1) alerts.remove(7)
  }
  expect(await readAfter(alerts, lastEventId)).toEqual(expected)
})

it("a reader from the beginning on gets the kept alerts, and is told of no removal before its first page", async () => {
  const alerts = new MemoryAlerts()
  alerts.onPage = (pages) => {
    if (pages === 0) alerts.remove(7)
  }
  expect(await readAfter(alerts, "0")).toEqual(["start 0", "8", "9", "10"])
})

it("a reader who has read all removed alerts is told of no removal", async () => {
  const alerts = new MemoryAlerts()
  alerts.onPage = (pages) => {
    if (pages === 2) alerts.remove(4)
  }
  const expected = ["start 0", ...Array.from({ length: 10 }, (_, index) => String(index + 1))]
  expect(await readAfter(alerts, "0")).toEqual(expected)
})
