import { Effect, Layer, ManagedRuntime } from "effect"
import { TestScheduler } from "rxjs/testing"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { BrokerUnavailable } from "../../src/domain/BrokerError.ts"
import { encodeRevision } from "../../src/domain/Revision.ts"
import { Feed, FeedFull, type FeedRequest, readersMax, withHeartbeats } from "../../src/feed/Feed.ts"
import type { FeedItem } from "../../src/feed/FeedItem.ts"
import { recentRevisionsMax } from "../../src/feed/RecentRevisions.ts"
import { gather } from "../../src/feed/Tail.ts"
import { LedgerReplaced, LedgerStream, type RevisionMessage } from "../../src/nats/LedgerStream.ts"
import { makeGate } from "../support/Faults.ts"
import { until } from "../support/TestBroker.ts"

const pageMax = 100
const gatherMilliseconds = 50

/** A ledger in memory: its even sequences are revisions, of `ann` and `bob` in turn, the others something else. */
class MemoryLedger {
  readonly revisions: Array<RevisionMessage> = []
  /** What the leader says to be its last sequence, where the tail does not know it yet. */
  ahead = 0
  follows = 0
  pages = 0
  isAvailable = true
  gate: Effect.Effect<void> = Effect.void
  private readonly newest = new Map<string, number>()
  private hear: ((revision: RevisionMessage) => void) | undefined
  private replaced: (() => void) | undefined

  get last(): number {
    return 2 * this.revisions.length
  }

  grow(count: number, userToken?: string): void {
    for (let index = 0; index < count; index += 1) {
      const sequence = this.last + 2
      const user = userToken ?? (sequence % 4 === 2 ? "ann" : "bob")
      const previous = this.newest.get(user)
      this.newest.set(user, sequence)
      const revision = {
        userToken: user,
        sequence,
        storedAt: 0,
        text: encodeRevision({
          total: 0n,
          count: 0,
          decidedThrough: 0,
          purchases: [],
          repeats: new Map(),
          previous: previous === undefined ? [] : [previous],
          segments: 0,
          unsealed: 1
        })
      }
      this.revisions.push(revision)
      this.hear?.(revision)
    }
  }

  replace(): void {
    this.replaced?.()
  }

  readonly layer = Layer.succeed(LedgerStream, {
    lastSequence: Effect.suspend(() =>
      this.isAvailable
        ? Effect.succeed(Math.max(this.ahead, this.last))
        : Effect.fail(new BrokerUnavailable({ operation: "read the ledger", reason: "not connected" }))
    ),
    page: (after, userToken) =>
      Effect.suspend(() => {
        this.pages += 1
        const found = this.revisions.filter(
          (revision) => revision.sequence > after && (userToken === undefined || revision.userToken === userToken)
        )
        return Effect.as(this.gate, found.slice(0, pageMax))
      }),
    follow: (_after, heard) =>
      Effect.callback((resume) => {
        this.follows += 1
        this.hear = heard
        this.replaced = () => resume(Effect.fail(new LedgerReplaced({ reached: this.last, last: 0 })))
        return Effect.sync(() => {
          this.hear = undefined
        })
      })
  })
}

describe("The feed", () => {
  let ledger: MemoryLedger
  let runtime: ManagedRuntime.ManagedRuntime<Feed, never>
  let feed: (typeof Feed)["Service"]
  const subscriptions = new Set<{ readonly unsubscribe: () => void }>()

  beforeEach(async () => {
    // What RxJS waits with; Effect and the broker's side go on.
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    ledger = new MemoryLedger()
    runtime = ManagedRuntime.make(Feed.layer.pipe(Layer.provide(ledger.layer)))
    feed = await runtime.runPromise(Effect.service(Feed))
  })
  afterEach(async () => {
    for (const one of subscriptions) one.unsubscribe()
    subscriptions.clear()
    await runtime.dispose()
    vi.useRealTimers()
  })

  const read = (request: Partial<FeedRequest> = {}) => {
    const items: Array<FeedItem> = []
    const failures: Array<unknown> = []
    let hasEnded = false
    const subscription = feed.open({ ready: async () => undefined, ...request }).subscribe({
      next: (item) => void items.push(item),
      error: (failure) => void failures.push(failure),
      complete: () => void (hasEnded = true)
    })
    subscriptions.add(subscription)
    return {
      items,
      failures,
      hasEnded: () => hasEnded,
      begun: () => until("the feed begins", () => items.length + failures.length > 0),
      sequences: () =>
        items.flatMap((item) => (item.kind === "applied" ? item.revisions.map(({ sequence }) => sequence) : [])),
      leave: () => subscription.unsubscribe()
    }
  }

  const handOn = () => vi.advanceTimersByTime(gatherMilliseconds)
  const evenNumbers = (after: number, last: number, step = 2) =>
    Array.from({ length: Math.max(0, Math.floor((last - after) / step)) }, (_, index) => after + step * (index + 1))

  it("begins at the end of the ledger, and hands the same arrays to all readers", async () => {
    ledger.grow(3)
    const [one, other] = [read(), read()]
    await one.begun()
    await other.begun()
    expect(one.items).toEqual([{ kind: "place", sequence: 6 }])
    ledger.grow(2)
    ledger.grow(1)
    handOn()
    expect(one.sequences()).toEqual([8, 10, 12])
    expect(one.items[1]).toMatchObject({ kind: "applied" })
    expect(one.items[1]?.kind === "applied" && other.items[1]?.kind === "applied" && one.items[1].revisions).toBe(
      other.items[1]?.kind === "applied" && other.items[1].revisions
    )
    expect(ledger.follows).toBe(1)
    expect(ledger.pages).toBe(0)
  })

  it("tells a user's reader of that user alone", async () => {
    ledger.grow(4)
    const ann = read({ userToken: "ann", lastEventId: "2" })
    await until("it has caught up", () => ann.sequences().length === 1)
    ledger.grow(4)
    handOn()
    expect(ann.sequences()).toEqual([6, 10, 14])
  })

  it("goes on after any place without a gap and without a repeat, from the ledger, from memory, and as it grows", async () => {
    ledger.grow(500)
    const first = read()
    await first.begun()
    ledger.grow(500)
    handOn()
    const readers = [0, 2, 3, 998, 1_000, 1_001, 1_500, 2_000].map((place) => ({
      place,
      reader: read({ lastEventId: String(place) })
    }))
    ledger.grow(10)
    for (const { reader } of readers) await reader.begun()
    handOn()
    ledger.grow(10)
    handOn()
    for (const { place, reader } of readers) {
      const expected = evenNumbers(2 * Math.floor(place / 2), ledger.last)
      await until(`the reader from ${place} has all`, () => reader.sequences().length >= expected.length)
      expect(reader.sequences()).toEqual(expected)
    }
  })

  it("does not lose who is being read to while memory moves on", async () => {
    ledger.grow(50)
    await read().begun()
    const gate = makeGate()
    ledger.gate = gate.pass
    const [all, ann] = [read({ lastEventId: "0" }), read({ lastEventId: "0", userToken: "ann" })]
    await until("both wait for a page", () => ledger.pages === 2)
    // Memory is full, and forgets more than the page holds that they wait for.
    for (let index = 0; index < 20; index += 1) {
      ledger.grow(recentRevisionsMax / 4)
      handOn()
    }
    gate.open()
    const [expected, expectedOfAnn] = [evenNumbers(0, ledger.last), evenNumbers(-2, ledger.last, 4)]
    await until("all is told", () => all.sequences().length >= expected.length)
    await until("all of ann is told", () => ann.sequences().length >= expectedOfAnn.length)
    expect(all.sequences()).toEqual(expected)
    expect(ann.sequences()).toEqual(expectedOfAnn)
    // Not more was read than they needed until they could join.
    expect(ledger.pages).toBeLessThan(2 + ledger.last / pageMax)
  })

  it("does not lose what came and was forgotten while a page was read that was empty", async () => {
    ledger.grow(50)
    await read().begun()
    const gate = makeGate()
    ledger.gate = gate.pass
    const carl = read({ lastEventId: "0", userToken: "carl" })
    await until("it waits for a page", () => ledger.pages === 1)
    ledger.grow(1, "carl")
    ledger.grow(2 * recentRevisionsMax)
    handOn()
    gate.open()
    await until("there is no more to read", () => ledger.pages === 3)
    ledger.grow(1, "carl")
    handOn()
    expect(carl.sequences()).toEqual([102, ledger.last])
  })

  it("reads on only when the reader has taken what it has", async () => {
    ledger.grow(350)
    let taken = Promise.withResolvers<void>()
    const reader = read({ lastEventId: "0", ready: () => taken.promise })
    await reader.begun()
    for (const count of [100, 200, 300, 350]) {
      await until("a page came", () => reader.sequences().length === count)
      expect(ledger.pages).toBe(Math.ceil(count / pageMax))
      const next = Promise.withResolvers<void>()
      taken.resolve()
      taken = next
    }
    expect(reader.sequences()).toEqual(evenNumbers(0, 700))
  })

  it("tells nothing twice to a reader that another edge has told more", async () => {
    ledger.grow(3)
    await read().begun()
    ledger.ahead = 10
    const reader = read({ lastEventId: "10" })
    await reader.begun()
    expect(reader.items).toEqual([{ kind: "place", sequence: 10 }])
    ledger.grow(4)
    handOn()
    expect(reader.sequences()).toEqual([12, 14])
  })

  it.each([
    ["7", "beyond-the-end"],
    ["999999999999999", "beyond-the-end"],
    ["1e3", "not-a-sequence"],
    ["-1", "not-a-sequence"],
    ["07", "not-a-sequence"],
    ["9999999999999999", "not-a-sequence"],
    ["x", "not-a-sequence"]
  ])("resets a reader that asks to go on after %s", async (lastEventId, reason) => {
    ledger.grow(3)
    const reader = read({ lastEventId })
    await reader.begun()
    expect(reader.items).toEqual([{ kind: "reset", sequence: 6, reason }])
    ledger.grow(1)
    handOn()
    expect(reader.sequences()).toEqual([8])
  })

  it.each([undefined, "ann", "bob"])(
    "resets a reader when a revision after its place is gone (%s)",
    async (userToken) => {
      ledger.grow(10)
      ledger.revisions.splice(0, 4)
      // The sequences are what they were.
      vi.spyOn(ledger, "last", "get").mockReturnValue(20)
      const reader = read({ lastEventId: "2", ...(userToken === undefined ? {} : { userToken }) })
      await until("it is reset", () => reader.items.length === 2)
      expect(reader.items).toEqual([
        { kind: "place", sequence: 2 },
        { kind: "reset", sequence: 20, reason: "no-longer-kept" }
      ])
      // From the newest that is gone on everything is there.
      const other = read({ lastEventId: "8", ...(userToken === undefined ? {} : { userToken }) })
      await until("the other has all", () => other.sequences().includes(userToken === "ann" ? 18 : 20))
      expect(other.sequences()).toEqual(
        userToken === undefined ? [10, 12, 14, 16, 18, 20] : userToken === "ann" ? [10, 14, 18] : [12, 16, 20]
      )
    }
  )

  it("ends all feeds when the process stops, and those at once that come later", async () => {
    const reader = read()
    await reader.begun()
    await runtime.runPromise(feed.stop)
    const late = read()
    expect(reader.items.slice(1)).toEqual([{ kind: "end", reason: "stopping" }])
    expect(late.items).toEqual([{ kind: "end", reason: "stopping" }])
    expect([reader.hasEnded(), late.hasEnded(), feed.readers()]).toEqual([true, true, 0])
  })

  it("ends all feeds when another ledger took the place of this one, and follows that for the next reader", async () => {
    const reader = read()
    await reader.begun()
    ledger.replace()
    await until("it has ended", reader.hasEnded)
    expect(reader.items.at(-1)).toEqual({ kind: "end", reason: "ledger-replaced" })
    await read().begun()
    expect(ledger.follows).toBe(2)
  })

  it("fails without a broker, and works for the next who asks when there is one", async () => {
    ledger.isAvailable = false
    const reader = read()
    await reader.begun()
    expect(reader.failures).toEqual([new BrokerUnavailable({ operation: "read the ledger", reason: "not connected" })])
    ledger.isAvailable = true
    const next = read()
    await next.begun()
    expect(next.items).toEqual([{ kind: "place", sequence: 0 }])
  })

  it("takes so many readers and no more", async () => {
    for (let reader = 0; reader < readersMax; reader += 1) read()
    const refused = read()
    expect(refused.failures).toEqual([new FeedFull()])
    for (const one of subscriptions) one.unsubscribe()
    expect(feed.readers()).toBe(0)
  })

  it("follows the ledger as long as there are readers, and a little longer", async () => {
    const [one, other] = [read(), read()]
    await one.begun()
    one.leave()
    ledger.grow(1)
    handOn()
    expect(other.sequences()).toEqual([2])
    other.leave()
    vi.advanceTimersByTime(4_900)
    const soon = read({ lastEventId: "0" })
    await soon.begun()
    expect([ledger.follows, soon.sequences()]).toEqual([1, [2]])
    soon.leave()
    vi.advanceTimersByTime(5_100)
    await read().begun()
    expect(ledger.follows).toBe(2)
  })
})

describe("What comes to a reader in time", () => {
  const inVirtualTime = (check: Parameters<TestScheduler["run"]>[0]) =>
    new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(check)

  it("is a heartbeat every 15 seconds until the end", () => {
    inVirtualTime(({ cold, expectObservable }) => {
      const values = {
        p: { kind: "place", sequence: 1 },
        h: { kind: "heartbeat" },
        e: { kind: "end", reason: "stopping" }
      } as const
      const items = cold<FeedItem>("p 39999ms e", values)
      expectObservable(withHeartbeats(items)).toBe("p 14999ms h 14999ms h 9999ms (e|)", values)
    })
  })

  it("is gathered for 50 milliseconds, or until there is much, and never empty", () => {
    inVirtualTime(({ cold, expectObservable }) => {
      const revision = (sequence: number) => ({ userToken: "ann", sequence, storedAt: 0, text: "" })
      const many = Array.from({ length: 256 }, (_, index) => revision(index))
      const values = { a: revision(1), b: revision(2), c: revision(3) }
      expectObservable(gather(cold("a 9ms b 99ms c 99ms |", values))).toBe("50ms x 99ms y 59ms |", {
        x: [values.a, values.b],
        y: [values.c]
      })
      const burst = cold(`(${"m".repeat(256)})`, { m: many[0] ?? values.a })
      expectObservable(gather(burst), "^ 10ms !").toBe("z", { z: many.map(() => many[0]) })
    })
  })
})
