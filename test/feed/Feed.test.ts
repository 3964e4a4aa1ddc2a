import { Effect, Layer, ManagedRuntime } from "effect"
import { TestScheduler } from "rxjs/testing"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { BrokerUnavailable } from "../../src/protocol/BrokerError.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { behindCommit, decodeFeedPlace, encodeFeedPlace, isAfter } from "../../src/protocol/FeedPlace.ts"
import type { Question, Reply } from "../../src/protocol/Query.ts"
import type { FeedRequest } from "../../src/feed/CatchUp.ts"
import { Feed, FeedFull, readersMax, withHeartbeats } from "../../src/feed/Feed.ts"
import type { FeedItem } from "../../src/feed/FeedItem.ts"
import { recentMessagesMax, sliceBytesMax, sliceMessagesMax } from "../../src/feed/RecentMessages.ts"
import { gather } from "../../src/feed/FeedTail.ts"
import { userPageMax } from "../../src/feed/UserPage.ts"
import { CommitChain, type JournalRecord } from "../../src/nats/CommitChain.ts"
import { CommitStream, revisionsOf } from "../../src/nats/CommitStream.ts"
import { type FeedMessage, LedgerReplaced } from "../../src/nats/FollowedStream.ts"
import { NotCurrent, QueryClient } from "../../src/asking/QueryClient.ts"
import { makeGate } from "../support/Faults.ts"
import { seeded } from "../../src/harness/system/Random.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

/** A page of the feed has this many revisions, and the further revisions of its last commit. */
const pageMax = 100
const gatherMilliseconds = 50

/** A journal in memory. `grow` stores a commit at each even sequence, of `ann` and `bob` in turn, with one line. */
class MemoryLedger {
  readonly commits: Array<JournalRecord> = []
  readonly revisions: Array<FeedMessage> = []
  last = 0
  /** The last sequence that the leader has. The feed's consumer may not have got the message of this sequence yet. */
  ahead = 0
  follows = 0
  pages = 0
  questions: Array<Question> = []
  isAvailable = true
  /** A wrong reply of the owner, if the test wants a wrong reply. */
  owner: Effect.Effect<Reply | undefined, NotCurrent> = Effect.undefined
  /** The gate at which reads wait: reads of a page of all accounts, and questions to the owner. */
  gate: Effect.Effect<void> = Effect.void
  private hear: ((revision: FeedMessage) => void) | undefined
  private replaced: (() => void) | undefined

  /** Stores a commit of these users behind `gap` other messages. A commit without users is a take-over. */
  commit(users: ReadonlyArray<string>, gap = 0, length = 0): void {
    this.last += gap + 1
    const kind = users.length === 0 ? "takeover" : "commit"
    const lines = users.map((user) => JSON.stringify([user, this.last, "x".repeat(length)]))
    const text = encodeCommit({ kind, epoch: 0, worker: "w", position: 0 }, lines)
    const commit = { sequence: this.last, storedAt: 0, text }
    this.commits.push(commit)
    for (const revision of revisionsOf(commit)) {
      this.revisions.push(revision)
      this.hear?.(revision)
    }
  }

  grow(count: number, userToken?: string): void {
    for (let index = 0; index < count; index += 1) this.commit([userToken ?? (this.last % 4 === 0 ? "ann" : "bob")], 1)
  }

  replace(): void {
    this.replaced?.()
  }

  private readonly lastSequence = Effect.suspend(() =>
    this.isAvailable
      ? Effect.succeed(Math.max(this.ahead, this.last))
      : Effect.fail(new BrokerUnavailable({ operation: "read the journal", reason: "not connected" }))
  )

  private readonly stream = Layer.succeed(CommitStream, {
    lastSequence: this.lastSequence,
    lastSequenceFrom: () => this.lastSequence,
    page: (after) =>
      Effect.suspend(() => {
        this.pages += 1
        const found = this.revisions.filter(({ place }) => isAfter(place, after))
        const last = found.slice(0, pageMax).at(-1)?.place.sequence ?? 0
        const page = found.filter(({ place }) => place.sequence <= last)
        return Effect.as(this.gate, page)
      }),
    follow: (_after, heard) =>
      Effect.callback((resume) => {
        this.follows += 1
        this.hear = heard
        this.replaced = () => resume(Effect.fail(new LedgerReplaced({ readThrough: this.last, last: 0 })))
        return Effect.sync(() => {
          this.hear = undefined
        })
      })
  })

  private answerOf(question: Question): Reply {
    if (question.kind !== "revisions") throw new Error(`a feed asked for ${question.kind}`)
    const { after, limit, userId } = question
    const own = this.revisions.filter(({ place, userToken }) => userToken === userId && place.sequence > after)
    return { kind: "revisions", sequences: own.map(({ place }) => place.sequence).slice(0, limit) }
  }

  private readonly queries = Layer.succeed(QueryClient, {
    ask: (question, { consistency }) =>
      Effect.suspend(() => {
        expect(consistency).toBe("strong")
        this.questions.push(question)
        const answer = this.answerOf(question)
        return Effect.andThen(
          this.gate,
          Effect.map(this.owner, (other) => other ?? answer)
        )
      })
  })

  private readonly chain = Layer.mock(CommitChain, {
    at: (sequence) => Effect.sync(() => this.commits.find((commit) => commit.sequence === sequence))
  })

  readonly layer = Layer.mergeAll(this.stream, this.queries, this.chain)
}

describe("The feed", () => {
  let ledger: MemoryLedger
  let runtime: ManagedRuntime.ManagedRuntime<Feed, never>
  let feed: (typeof Feed)["Service"]
  const subscriptions = new Set<{ readonly unsubscribe: () => void }>()

  beforeEach(async () => {
    // Only the timers of RxJS are fake. The timers of Effect and of the broker go on.
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
        items.flatMap((item) => (item.kind === "messages" ? item.messages.map(({ place }) => place.sequence) : [])),
      ids: () =>
        items.flatMap((item) =>
          item.kind === "messages" ? item.messages.map(({ place }) => encodeFeedPlace(place)) : []
        ),
      leave: () => subscription.unsubscribe()
    }
  }

  const handOn = () => vi.advanceTimersByTime(gatherMilliseconds)
  const evenNumbers = (after: number, last: number, step = 2) =>
    Array.from({ length: Math.max(0, Math.floor((last - after) / step)) }, (_, index) => after + step * (index + 1))

  it("a feed begins at the end of the ledger, and hands the same arrays to all readers", async () => {
    ledger.grow(3)
    const [one, other] = [read(), read()]
    await one.begun()
    await other.begun()
    expect(one.items).toEqual([{ kind: "start", place: behindCommit(6) }])
    ledger.grow(2)
    ledger.grow(1)
    handOn()
    expect(one.sequences()).toEqual([8, 10, 12])
    expect(one.items[1]).toMatchObject({ kind: "messages" })
    expect(one.items[1]?.kind === "messages" && other.items[1]?.kind === "messages" && one.items[1].messages).toBe(
      other.items[1]?.kind === "messages" && other.items[1].messages
    )
    expect(ledger.follows).toBe(1)
    expect(ledger.pages).toBe(0)
  })

  it("a reader of one user's feed gets only the purchases of that user", async () => {
    ledger.grow(4)
    const ann = read({ userToken: "ann", lastEventId: "2" })
    await until("it has caught up", () => ann.sequences().length === 1)
    ledger.grow(4)
    handOn()
    expect(ann.sequences()).toEqual([6, 10, 14])
  })

  it("a feed from the journal, from memory or live goes on after any place without a gap or repeat", async () => {
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

  it("a reader that catches up misses nothing while the revisions in memory are replaced", async () => {
    ledger.grow(50)
    await read().begun()
    const gate = makeGate()
    ledger.gate = gate.pass
    const [all, ann] = [read({ lastEventId: "0" }), read({ lastEventId: "0", userToken: "ann" })]
    await until("both wait for a page", () => ledger.pages === 1 && ledger.questions.length === 1)
    // Memory is full, and drops more revisions than the page that the readers wait for.
    for (let index = 0; index < 20; index += 1) {
      ledger.grow(recentMessagesMax / 4)
      handOn()
    }
    gate.open()
    const [expected, expectedOfAnn] = [evenNumbers(0, ledger.last), evenNumbers(-2, ledger.last, 4)]
    await until("all is told", () => all.sequences().length >= expected.length)
    await until("all of ann is told", () => ann.sequences().length >= expectedOfAnn.length)
    expect(all.sequences()).toEqual(expected)
    expect(ann.sequences()).toEqual(expectedOfAnn)
    // The feeds read only the pages that they needed to join the tail.
    expect(ledger.pages).toBeLessThan(1 + expected.length / pageMax)
    expect(ledger.questions.length).toBeLessThan(1 + expectedOfAnn.length / userPageMax)
  })

  it("a feed goes on from any place around the oldest revision in memory, even from within a commit", async () => {
    await read().begun()
    const commits = Math.ceil((recentMessagesMax + 100) / 3)
    for (let commit = 0; commit < commits; commit += 1) ledger.commit(["ann", "bob", "carl"])
    handOn()
    const floor = commits - Math.ceil(recentMessagesMax / 3) + 1
    const places = [floor - 1, floor, floor + 1].flatMap((sequence) =>
      [".0", ".1", ".2", ".3", ""].map((line) => `${sequence}${line}`)
    )
    for (const lastEventId of places) {
      const from = decodeFeedPlace(lastEventId) ?? behindCommit(0)
      for (const userToken of [undefined, "ann", "bob", "carl"]) {
        const reader = read({ lastEventId, ...(userToken === undefined ? {} : { userToken }) })
        const expected = ledger.revisions.filter(
          (revision) => isAfter(revision.place, from) && (userToken ?? revision.userToken) === revision.userToken
        )
        await until("it has caught up", () => reader.ids().length >= expected.length)
        expect(reader.ids()).toEqual(expected.map(({ place }) => encodeFeedPlace(place)))
        reader.leave()
      }
    }
  })

  it("a feed gives the revisions that came into memory and left it while the feed read an empty page", async () => {
    ledger.grow(50)
    await read().begun()
    const gate = makeGate()
    ledger.gate = gate.pass
    const carl = read({ lastEventId: "0", userToken: "carl" })
    await until("it waits for a page", () => ledger.questions.length === 1)
    ledger.grow(1, "carl")
    ledger.grow(2 * recentMessagesMax)
    handOn()
    gate.open()
    await until("there is no more to read", () => ledger.questions.length === 3)
    ledger.grow(1, "carl")
    handOn()
    expect(carl.sequences()).toEqual([102, ledger.last])
  })

  it("a feed reads on only when its reader has taken the earlier revisions", async () => {
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

  it("a feed repeats no revision to a reader that has read later revisions at another edge", async () => {
    ledger.grow(3)
    await read().begun()
    ledger.ahead = 10
    const reader = read({ lastEventId: "10" })
    await reader.begun()
    expect(reader.items).toEqual([{ kind: "start", place: behindCommit(10) }])
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
    ["x", "not-a-sequence"],
    ["7.1", "beyond-the-end"],
    ["6.", "not-a-sequence"],
    ["6.01", "not-a-sequence"],
    ["6.1.1", "not-a-sequence"],
    ["6.9999999", "not-a-sequence"]
  ])("a feed resets a reader that asks to go on after %s", async (lastEventId, reason) => {
    ledger.grow(3)
    const reader = read({ lastEventId })
    await reader.begun()
    expect(reader.items).toEqual([{ kind: "reset", place: behindCommit(6), reason }])
    ledger.grow(1)
    handOn()
    expect(reader.sequences()).toEqual([8])
  })

  it("a feed gives one slice of revisions at a time, and the next slice when the reader has taken it", async () => {
    ledger.commit(["ann", "bob", "carl", "dora"], 0, sliceBytesMax - 1_000)
    ledger.commit(Array.from({ length: sliceMessagesMax + 1 }, (_, index) => `user-${index}`))
    const taken: Array<() => void> = []
    const ready = () => new Promise<void>((resolve) => void taken.push(resolve))
    const reader = read({ lastEventId: "1.1", ready })
    const all = ledger.revisions.slice(1).map(({ place }) => encodeFeedPlace(place))
    for (let given = 0; reader.ids().length < all.length; given += 1) {
      await until("a slice came", () => taken.length === given + 1)
      expect(reader.items).toHaveLength(1 + taken.length)
      taken.at(-1)?.()
    }
    expect(reader.ids()).toEqual(all)
    const slices = reader.items.flatMap((item) => (item.kind === "messages" ? [item.messages] : []))
    expect(slices[0]?.length).toBe(2)
    for (const slice of slices) {
      expect(slice.length).toBeLessThanOrEqual(sliceMessagesMax)
      // The last revision of a slice may pass the bound.
      const bytes = slice.slice(0, -1).reduce((sum, { text }) => sum + text.length, 0)
      expect(bytes).toBeLessThan(sliceBytesMax)
    }
  })

  it("a user's feed reads only the commits that change the account of this user", async () => {
    ledger.commit(["bob", "ann"])
    ledger.commit(["bob"])
    ledger.commit(["ann", "carl"], 3)
    const reader = read({ userToken: "ann", lastEventId: "1.1" })
    await until("it has caught up", () => reader.ids().length === 2)
    expect(reader.ids()).toEqual(["1.2", "6.1"])
    expect(ledger.pages).toBe(0)
    expect(ledger.questions[0]).toEqual({ kind: "revisions", userId: "ann", after: 0, limit: userPageMax })
    // A reader that has read its own line of commit 1 gets the lines after that line.
    const next = read({ userToken: "ann", lastEventId: "1.2" })
    const behind = read({ userToken: "ann", lastEventId: "1" })
    await until("both have caught up", () => next.ids().length + behind.ids().length === 2)
    expect({ next: next.ids(), behind: behind.ids() }).toEqual({ next: ["6.1"], behind: ["6.1"] })
  })

  it.each([
    ["has no owner", Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 }))],
    ["has an owner that refuses", Effect.succeed({ kind: "refused", reason: "busy" } as const)],
    ["has a revision that is missing", Effect.succeed({ kind: "revisions", sequences: [2, 3] } as const)]
  ])("a user's feed ends if the account %s, and loses nothing when the reader comes back", async (_name, owner) => {
    ledger.grow(100, "ann")
    ledger.owner = owner
    const reader = read({ userToken: "ann", lastEventId: "0" })
    await until("it has ended", reader.hasEnded)
    expect(reader.items).toEqual([
      { kind: "start", place: behindCommit(0) },
      { kind: "end", reason: "unavailable" }
    ])
    ledger.owner = Effect.undefined
    const back = read({ userToken: "ann", lastEventId: "0" })
    await until("it has all", () => back.ids().length === 100)
    expect(back.sequences()).toEqual(evenNumbers(0, 200))
  })

  it("a user's feed ends if the owner of the account is gone; the reader's next feed goes on after the last id", async () => {
    ledger.grow(100, "ann")
    let taken = Promise.withResolvers<void>()
    const reader = read({ userToken: "ann", lastEventId: "0", ready: () => taken.promise })
    await until("a page came", () => reader.ids().length > 0)
    ledger.owner = Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 }))
    taken.resolve()
    await until("it has ended", reader.hasEnded)
    ledger.owner = Effect.undefined
    const back = read({ userToken: "ann", lastEventId: reader.ids().at(-1) ?? "" })
    await until("it has the rest", () => reader.ids().length + back.ids().length >= 100)
    expect([...reader.sequences(), ...back.sequences()]).toEqual(evenNumbers(0, 200))
  })

  it("readers who wait for an owner do not hold up the other readers", async () => {
    ledger.grow(10)
    ledger.owner = Effect.never
    const waiting = Array.from({ length: 20 }, () => read({ userToken: "ann", lastEventId: "0" }))
    await until("all of them ask", () => ledger.questions.length === waiting.length)
    const reader = read({ lastEventId: "0" })
    await until("it has all", () => reader.ids().length === 10)
    expect(waiting.flatMap(({ ids }) => ids())).toEqual([])
  })

  it("all feeds end when the process stops, and later feeds end at once", async () => {
    const reader = read()
    await reader.begun()
    await runtime.runPromise(feed.stop)
    const late = read()
    expect(reader.items.slice(1)).toEqual([{ kind: "end", reason: "stopping" }])
    expect(late.items).toEqual([{ kind: "end", reason: "stopping" }])
    expect({ reader: reader.hasEnded(), late: late.hasEnded(), readers: feed.readers() }).toEqual({
      reader: true,
      late: true,
      readers: 0
    })
  })

  it("all feeds end when the ledger is replaced by another, and the next reader follows the new ledger", async () => {
    const reader = read()
    await reader.begun()
    ledger.replace()
    await until("it has ended", reader.hasEnded)
    expect(reader.items.at(-1)).toEqual({ kind: "end", reason: "ledger-replaced" })
    await read().begun()
    expect(ledger.follows).toBe(2)
  })

  it("a feed fails without a broker, and works for the next reader when the broker is back", async () => {
    ledger.isAvailable = false
    const reader = read()
    await reader.begun()
    expect(reader.failures).toEqual([new BrokerUnavailable({ operation: "read the journal", reason: "not connected" })])
    ledger.isAvailable = true
    const next = read()
    await next.begun()
    expect(next.items).toEqual([{ kind: "start", place: behindCommit(0) }])
  })

  it("a feed takes a bounded number of readers and refuses the next reader", async () => {
    for (let reader = 0; reader < readersMax; reader += 1) read()
    const refused = read()
    expect(refused.failures).toEqual([new FeedFull()])
    for (const one of subscriptions) one.unsubscribe()
    expect(feed.readers()).toBe(0)
  })

  it("a feed follows the ledger while it has readers, and a short time after the last reader has left", async () => {
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
    expect({ follows: ledger.follows, sequences: soon.sequences() }).toEqual({ follows: 1, sequences: [2] })
    soon.leave()
    vi.advanceTimersByTime(5_100)
    await read().begun()
    expect(ledger.follows).toBe(2)
  })
})

/**
 * A journal of random commits, of which some come while readers catch up. Returns the lines that readers of random
 * places get.
 */
const readAtRandom = async (seed: number) => {
  const random = seeded(seed)
  const below = (count: number) => Math.floor(random() * count)
  const users = ["ann", "bob", "carl", "dora", "eve"]
  const ledger = new MemoryLedger()
  const runtime = ManagedRuntime.make(Feed.layer.pipe(Layer.provide(ledger.layer)))
  const feed = await runtime.runPromise(Effect.service(Feed))
  const grow = (count: number) => {
    for (let commit = 0; commit < count; commit += 1) {
      const partition = below(2)
      const size = below(6)
      // A partition has its own users. A commit without a line is a take-over.
      ledger.commit(partition === 0 ? users.slice(0, size) : users.slice(0, size).map((user) => `${user}-1`), below(3))
    }
  }
  const handOn = () => vi.advanceTimersByTime(gatherMilliseconds)
  const placeAtRandom = () => {
    const sequence = below(ledger.last + 1)
    return below(3) === 0 ? String(sequence) : `${sequence}.${below(7)}`
  }
  const readers: Array<{ place: string; userToken: string | undefined; got: Array<string> }> = []
  const open = () => {
    const reader = {
      place: placeAtRandom(),
      userToken: below(2) === 0 ? undefined : `${users[below(5)] as string}${below(2) === 0 ? "" : "-1"}`,
      got: new Array<string>()
    }
    const { place: lastEventId, userToken, got } = reader
    const request = { lastEventId, ready: async () => undefined, ...(userToken === undefined ? {} : { userToken }) }
    feed.open(request).subscribe((item) => {
      if (item.kind === "messages") got.push(...item.messages.map(({ place }) => encodeFeedPlace(place)))
      else if (item.kind !== "start") got.push(item.kind)
    })
    readers.push(reader)
  }
  grow(below(200))
  for (let round = 0; round < 6; round += 1) {
    open()
    open()
    // After some turns the readers are in the middle of catching up.
    for (let turn = below(8); turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve))
    grow(below(60))
    if (below(2) === 0) handOn()
  }
  const expectedOf = ({ place, userToken }: (typeof readers)[number]) => {
    const from = decodeFeedPlace(place)
    if (from === undefined) throw new Error(`${place} is no place`)
    return ledger.revisions
      .filter((revision) => userToken === undefined || revision.userToken === userToken)
      .flatMap((revision) => (isAfter(revision.place, from) ? [encodeFeedPlace(revision.place)] : []))
  }
  handOn()
  await until("all have all", () => readers.every((reader) => reader.got.length >= expectedOf(reader).length))
  const found = readers.map((reader) => ({ ...reader, got: [...reader.got], expected: expectedOf(reader) }))
  await runtime.runPromise(feed.stop)
  await runtime.dispose()
  return found
}

describe("Readers of random places in a random journal", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }))
  afterEach(() => void vi.useRealTimers())

  it("readers of random places get exactly the lines after their place, in order and once", async () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      for (const { place, userToken, got, expected } of await readAtRandom(seed)) {
        expect(got, `seed ${seed}, after ${place}, of ${userToken ?? "all"}`).toEqual(expected)
      }
    }
  })
})

describe("A reader of a feed in the course of time", () => {
  const inVirtualTime = (check: Parameters<TestScheduler["run"]>[0]) =>
    new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(check)

  it("a reader gets a heartbeat every 15 seconds until the feed ends", () => {
    inVirtualTime(({ cold, expectObservable }) => {
      const values = {
        p: { kind: "start", place: behindCommit(1) },
        h: { kind: "heartbeat" },
        e: { kind: "end", reason: "stopping" }
      } as const
      const items = cold<FeedItem>("p 39999ms e", values)
      expectObservable(withHeartbeats(items)).toBe("p 14999ms h 14999ms h 9999ms (e|)", values)
    })
  })

  it("a reader gets the revisions of 50 milliseconds or a full slice at once, and never an empty slice", () => {
    inVirtualTime(({ cold, expectObservable }) => {
      const revision = (line: number) => ({ userToken: "ann", place: { sequence: 1, line }, storedAt: 0, text: "" })
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
