import { Effect, Exit, Fiber, Layer, ManagedRuntime, References } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { behindCommit, decodeFeedPlace, encodeFeedPlace, isAfter } from "../../src/protocol/FeedPlace.ts"
import { journalStream } from "../../src/protocol/Subject.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { CommitStream, revisionOfUser } from "../../src/nats/CommitStream.ts"
import { type FeedMessage, LedgerReplaced, pageBytesMax, pageMessagesMax } from "../../src/nats/FollowedStream.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { seeded } from "../../src/harness/system/Random.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"

const partitions = 2

describe("The stream of commits", () => {
  const broker = startedBeforeEach(() => TestBroker.start())
  let admin: BrokerAdmin
  const closers: Array<() => Promise<void>> = []

  beforeEach(async () => {
    admin = await BrokerAdmin.open(broker.url, partitions)
  })
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
    await admin.close()
  })

  const start = async () => {
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: String(partitions) })
    await setUpStreams(settings)
    const runtime = ManagedRuntime.make(brokerLayer(settings, "admin", "test").pipe(Layer.orDie))
    closers.push(() => runtime.dispose())
    return {
      stream: await runtime.runPromise(Effect.service(CommitStream)),
      chain: await runtime.runPromise(Effect.service(CommitChain)),
      rejected: await runtime.runPromise(Effect.service(RejectedRecords)),
      newest: Array.from({ length: partitions }, () => 0)
    }
  }
  type Started = Awaited<ReturnType<typeof start>>

  /**
   * Appends a commit with a line for each of these users, or a take-over record if no user is given. Returns the
   * sequence of the commit.
   */
  const commit = async ({ chain, newest }: Started, users: ReadonlyArray<string>, partition = 0, length = 1) => {
    const kind = users.length === 0 ? "takeover" : "commit"
    const lines = users.map((user) => JSON.stringify([user, "x".repeat(length)]))
    const text = encodeCommit({ kind, epoch: 0, worker: "w", position: 0 }, lines)
    const appended = await Effect.runPromise(chain.append(partition, text, newest[partition] ?? 0))
    newest[partition] = appended
    return appended
  }

  const follow = ({ stream }: Started, after: number) => {
    const heard: Array<FeedMessage> = []
    const following = stream.follow(after, (revision) => void heard.push(revision))
    const fiber = Effect.runFork(Effect.provideService(following, References.MinimumLogLevel, "Error"))
    closers.push(() => Effect.runPromise(Fiber.interrupt(fiber)))
    return { heard, fiber, places: () => placesOf(heard) }
  }

  const placesOf = (revisions: ReadonlyArray<FeedMessage>) => revisions.map(({ place }) => encodeFeedPlace(place))

  const pageOf = ({ stream }: Started, place: string) =>
    Effect.runPromise(stream.page(decodeFeedPlace(place) ?? behindCommit(0)))

  /** Returns all pages after a place, up to the first empty page. */
  const pagesAfter = async (started: Started, place: string) => {
    const pages: Array<ReadonlyArray<string>> = []
    for (let after = place; ;) {
      const page = await pageOf(started, after)
      const last = page.at(-1)
      if (last === undefined) return pages
      pages.push(placesOf(page))
      after = String(last.place.sequence)
    }
  }

  const consumers = async () =>
    (
      await admin.api<{ readonly consumers: ReadonlyArray<{ readonly name: string }> }>(
        `CONSUMER.LIST.${journalStream}`
      )
    )?.consumers ?? []

  it("a follower gets each line of the stored commits in order, and no other messages of the journal", async () => {
    const started = await start()
    await commit(started, ["ann", "bob"])
    const { heard } = follow(started, 1)
    await commit(started, ["carl", "bob", "ann"])
    await commit(started, [], 1)
    const stale = encodeCommit({ kind: "commit", epoch: 0, worker: "w", position: 0 }, ['["refused",1]'])
    expect(Exit.isFailure(await Effect.runPromiseExit(started.chain.append(0, stale, 1)))).toBe(true)
    await Effect.runPromise(started.chain.seal(0, '\n["segment",1]\n'))
    const rejection = {
      reason: "r",
      payload: '\n["rejected",1]\n',
      encoding: "text",
      inputSequence: 1,
      index: 0
    } as const
    await Effect.runPromise(started.rejected.record(rejection))
    await commit(started, ["dora=2E"], 1)
    await until("all is heard", () => heard.length === 4)
    expect(heard.map(({ userToken, place, text }) => [userToken, encodeFeedPlace(place), text])).toEqual([
      ["carl", "2.1", '["carl","x"]'],
      ["bob", "2.2", '["bob","x"]'],
      ["ann", "2.3", '["ann","x"]'],
      ["dora=2E", "6.1", '["dora=2E","x"]']
    ])
    const stored = await admin.api<{ readonly message: { readonly time: string } }>(`STREAM.MSG.GET.${journalStream}`, {
      seq: 6
    })
    expect(heard[3]?.storedAt).toBe(Date.parse(stored?.message.time ?? ""))
    expect((await pageOf(started, "0")).slice(2)).toEqual(heard)
  })

  it("a follower goes on without a gap or repeat after the consumer was lost or the broker restarted", async () => {
    const started = await start()
    const following = follow(started, 0)
    await commit(started, ["ann", "bob"])
    await until("the first is heard", () => following.heard.length === 2)
    const [consumer] = await consumers()
    await admin.api(`CONSUMER.DELETE.${journalStream}.${consumer?.name}`)
    await commit(started, ["ann", "bob"], 1)
    await commit(started, ["bob"])
    await until("there is another consumer", async () => (await consumers()).length === 1)
    await until("what came meanwhile is heard", () => following.heard.length === 5)
    await broker.kill()
    await broker.run()
    await until("the broker is there again", () =>
      commit(started, ["carl", "dora"]).then(
        () => true,
        () => false
      )
    )
    await until("all is heard", () => following.heard.length === 7)
    expect(following.places()).toEqual(["1.1", "1.2", "2.1", "2.2", "3.1", "4.1", "4.2"])
  })

  it("a follower of the journal fails with LedgerReplaced when another journal has replaced the journal", async () => {
    const started = await start()
    await commit(started, ["ann"])
    await commit(started, ["bob"])
    const following = follow(started, 0)
    await until("both are heard", () => following.heard.length === 2)
    await admin.api(`STREAM.DELETE.${journalStream}`)
    await start()
    expect(await Effect.runPromise(Effect.flip(Fiber.join(following.fiber)))).toEqual(
      new LedgerReplaced({ readThrough: 2, last: 0 })
    )
  })

  it("a page has whole commits only, and never more commits or bytes than its bounds", async () => {
    const started = await start()
    expect(await pagesAfter(started, "0")).toEqual([])
    const all: Array<string> = []
    for (let count = 0; count < 2 * pageMessagesMax + 10; count += 1) {
      const sequence = await commit(started, ["ann", "bob"], count % 2)
      all.push(`${sequence}.1`, `${sequence}.2`)
    }
    const pages = await pagesAfter(started, "0")
    expect(pages.map(({ length }) => length)).toEqual([2 * pageMessagesMax, 2 * pageMessagesMax, 20])
    expect(pages.flat()).toEqual(all)
    // The places of this test are within a commit, behind the last line of a commit, and behind a whole commit.
    expect((await pageOf(started, "0.7"))[0]?.place).toEqual({ sequence: 1, line: 1 })
    expect((await pageOf(started, "5.0"))[0]?.place).toEqual({ sequence: 5, line: 1 })
    expect((await pageOf(started, "5.1"))[0]?.place).toEqual({ sequence: 5, line: 2 })
    for (const behind of ["5.2", "5.900", "5"]) {
      expect((await pageOf(started, behind))[0]?.place).toEqual({ sequence: 6, line: 1 })
    }
    expect(await Effect.runPromise(started.stream.lastSequence)).toBe(2 * pageMessagesMax + 10)
  })

  it("a page of long commits has few commits, but at least one", async () => {
    const started = await start()
    for (let count = 0; count < 6; count += 1) await commit(started, ["ann", "bob", "carl"], 0, 5_000)
    for (let count = 0; count < 2; count += 1) await commit(started, ["ann"], 0, 3 * pageBytesMax)
    const pages = await pagesAfter(started, "1.2")
    expect(pages.flat()).toEqual([
      "1.3",
      ...[2, 3, 4, 5, 6].flatMap((sequence) => [1, 2, 3].map((line) => `${sequence}.${line}`)),
      "7.1",
      "8.1"
    ])
    // The last commit of a page may exceed the bound of the page.
    expect(pages.map(({ length }) => length)).toEqual([13, 4, 1])
  })

  it("readers skip take-over records, and texts that were written by hand", async () => {
    const started = await start()
    await commit(started, ["ann"])
    for (let count = 0; count < pageMessagesMax + 3; count += 1) await commit(started, [], count % 2)
    expect(await pagesAfter(started, "0")).toEqual([["1.1"]])
    const byHand = ["", "by hand", "\n\n", '{"v":2}\n["ann"\n']
    for (const text of byHand) await admin.publish("$KV.journal.commit.1", text)
    started.newest[1] = await Effect.runPromise(started.stream.lastSequence)
    const sequence = await commit(started, ["ann", "bob"], 1)
    const after = (await pagesAfter(started, "1")).flat()
    expect(after.slice(-2)).toEqual([`${sequence}.1`, `${sequence}.2`])
    // Only the lines of commits are revisions, and every reader gives a line the same place.
    const following = follow(started, 0)
    await until("all is heard", () => following.heard.length === 1 + after.length)
    expect(following.places()).toEqual(["1.1", ...after])
  })

  it("a reader from any place gets exactly the lines after that place, in order and once", async () => {
    const started = await start()
    const random = seeded(7)
    const users = ["ann", "bob", "carl", "dora", "eve"]
    const all: Array<string> = []
    for (let count = 0; count < 150; count += 1) {
      const partition = Math.floor(random() * partitions)
      if (random() < 0.2) await Effect.runPromise(started.chain.seal(partition, "no commit"))
      const some = users.slice(0, random() < 0.1 ? 0 : 1 + Math.floor(random() * 5))
      const sequence = await commit(started, some, partition, Math.floor(random() * 2_000))
      all.push(...some.map((_, line) => `${sequence}.${line + 1}`))
    }
    const last = await Effect.runPromise(started.stream.lastSequence)
    const followed = follow(started, 0)
    await until("all is heard", () => followed.heard.length === all.length)
    expect(followed.places()).toEqual(all)
    for (let reader = 0; reader < 60; reader += 1) {
      const sequence = Math.floor(random() * (last + 2))
      const place = random() < 0.3 ? String(sequence) : `${sequence}.${Math.floor(random() * 7)}`
      const from = decodeFeedPlace(place) ?? behindCommit(0)
      const expected = all.filter((one) => isAfter(decodeFeedPlace(one) ?? behindCommit(0), from))
      expect((await pagesAfter(started, place)).flat(), `after ${place}`).toEqual(expected)
    }
  })

  it("the line of a user's revision is the same in a read for one user and in a read for all users", async () => {
    const started = await start()
    const sequence = await commit(started, ["ann", "bob"])
    const stored = await Effect.runPromise(started.chain.at(sequence))
    if (stored === undefined) throw new Error("the commit is not there")
    expect(["ann", "bob"].map((user) => revisionOfUser(stored, user))).toEqual(await pageOf(started, "0"))
    expect(revisionOfUser(stored, "an")).toBeUndefined()
  })
})
