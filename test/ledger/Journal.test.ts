import { Deferred, Effect, Layer, ManagedRuntime } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import { Journal } from "../../src/ledger/Journal.ts"
import { loneOfPartitionMax } from "../../src/ledger/LoneWrite.ts"
import { encodePosition } from "../../src/ledger/Position.ts"
import { CommitConflict, type CommitFailure, LedgerBucket, type Write } from "../../src/nats/LedgerBucket.ts"
import { until } from "../support/TestBroker.ts"
import { TestEpoch, write } from "../support/TestEpoch.ts"

interface Commit {
  readonly keys: ReadonlyArray<string>
  readonly writes: ReadonlyArray<Write>
  /** Ends the commit. */
  readonly answer: (outcome: Effect.Effect<number, CommitFailure>) => void
}

/** Many turns of the event loop, in which something could begin that must not. */
const severalTurns = async () => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** A bucket whose commits are answered by the test, one by one. */
const makeBucket = () => {
  const commits: Array<Commit> = []
  let open = 0
  let most = 0
  const layer = Layer.mock(LedgerBucket, {
    commit: (batch: ReadonlyArray<Write>) =>
      Effect.gen(function* () {
        open += 1
        most = Math.max(most, open)
        const answered = Deferred.makeUnsafe<number, CommitFailure>()
        const answer: Commit["answer"] = (outcome) => {
          open -= 1
          Deferred.doneUnsafe(answered, outcome)
        }
        commits.push({ keys: batch.map(({ key }) => key), writes: batch, answer })
        return yield* Deferred.await(answered)
      })
  })
  return { layer, commits, mostOpen: () => most }
}

describe("Journal", () => {
  let bucket: ReturnType<typeof makeBucket>
  let runtime: ManagedRuntime.ManagedRuntime<Journal, never>
  let journal: (typeof Journal)["Service"]

  beforeEach(async () => {
    bucket = makeBucket()
    runtime = ManagedRuntime.make(Journal.layer.pipe(Layer.provide(bucket.layer)))
    journal = await runtime.runPromise(Effect.service(Journal))
  })

  afterEach(() => runtime.dispose())

  const commitsAre = (count: number) => until(`${count} commits were asked for`, () => bucket.commits.length === count)
  const propose = (epoch: TestEpoch, key: string) => journal.submit(epoch.propose(epoch.receive(), [write(key)]))
  const answer = (index: number, outcome: Effect.Effect<number, CommitFailure>) =>
    bucket.commits[index]?.answer(outcome)

  /** Just more than is written alone, so that they make a batch; answers their keys. */
  const proposeMany = (epoch: TestEpoch, name: string): ReadonlyArray<string> => {
    const keys = Array.from({ length: loneOfPartitionMax + 1 }, (_, index) => `account.${name}${index}`)
    for (const key of keys) propose(epoch, key)
    return keys
  }
  const toldFrom = (sequence: number, keys: ReadonlyArray<string>) => keys.map((key, index) => [key, sequence + index])
  const countTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

  it("has one batch in flight; what comes meanwhile goes into the next, all together", async () => {
    const epoch = new TestEpoch(0, 5)
    const first = proposeMany(epoch, "a")
    await commitsAre(1)
    const second = proposeMany(epoch, "b")
    await severalTurns()
    expect([bucket.mostOpen(), bucket.commits.length]).toEqual([1, 1])
    expect(epoch.told).toEqual([])
    answer(0, Effect.succeed(101))
    await commitsAre(2)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      [...first, "position.0"],
      [...second, "position.0"]
    ])
    expect(epoch.told).toEqual(toldFrom(101, first))
    expect(epoch.committedSequences).toEqual(countTo(first.length))
    answer(1, Effect.succeed(201))
    await until("the second is told", () => epoch.told.length === first.length + second.length)
    expect(epoch.told.slice(first.length)).toEqual(toldFrom(201, second))
    expect(epoch.committedSequences).toEqual(countTo(first.length + second.length))
    expect(epoch.failures).toEqual([])
  })

  it("has a batch wait for what is in flight alone, and what is little for the batch", async () => {
    const [one, two] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(one, "account.alone")
    propose(two, "account.late")
    await commitsAre(2)
    const many = proposeMany(one, "a")
    answer(0, Effect.succeed(11))
    await until("the first is told", () => one.told.length === 1)
    await severalTurns()
    expect(bucket.commits).toHaveLength(2)
    answer(1, Effect.succeed(12))
    await commitsAre(3)
    expect(bucket.commits[2]?.keys).toEqual([...many, "position.1"])
    propose(two, "account.after")
    await severalTurns()
    expect(bucket.commits).toHaveLength(3)
    answer(2, Effect.succeed(13))
    await until("it is written", () => bucket.commits.some(({ keys }) => keys.includes("account.after")))
  })

  it("writes what is little alone, one of each partition at a time, whatever the others do", async () => {
    const [one, two] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(one, "account.a")
    propose(two, "account.b")
    propose(one, "account.c")
    propose(two, "account.d")
    await commitsAre(2)
    expect(bucket.commits.map(({ writes }) => writes)).toEqual([
      [{ key: "account.a", value: write("account.a").value, guard: { key: "owner.1", revision: 5 } }],
      [{ key: "account.b", value: write("account.b").value, guard: { key: "owner.2", revision: 6 } }]
    ])
    await severalTurns()
    expect(bucket.commits).toHaveLength(2)
    answer(1, Effect.succeed(12))
    await commitsAre(3)
    expect([one.told, two.told]).toEqual([[], [["account.b", 12]]])
    expect(bucket.commits[2]?.keys).toEqual(["account.d"])
    answer(0, Effect.succeed(11))
    await commitsAre(4)
    expect(one.told).toEqual([["account.a", 11]])
    expect(bucket.commits[3]?.keys).toEqual(["account.c"])
  })

  it("writes positions after what stood alone, each when nothing else of its partition is in flight", async () => {
    const [one, two] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(one, "account.a")
    propose(two, "account.b")
    await commitsAre(2)
    answer(0, Effect.succeed(11))
    answer(1, Effect.succeed(12))
    await until("both are told", () => one.told.length + two.told.length === 2)
    propose(two, "account.c")
    propose(two, "account.d")
    await commitsAre(4)
    expect(bucket.commits[2]?.keys).toEqual(["account.c"])
    expect(bucket.commits[3]?.writes).toEqual([
      { key: "position.1", value: encodePosition(1), guard: { key: "owner.1", revision: 5 } }
    ])
    // Its position has waited longer than the next purchase.
    answer(2, Effect.succeed(13))
    await commitsAre(5)
    expect(bucket.commits[4]?.writes).toEqual([
      { key: "position.2", value: encodePosition(2), guard: { key: "owner.2", revision: 6 } }
    ])
    answer(4, Effect.succeed(14))
    await commitsAre(6)
    expect(bucket.commits[5]?.keys).toEqual(["account.d"])
    expect([one.committedSequences, two.committedSequences]).toEqual([[1], [1, 2]])
  })

  it("writes a position that is due with a batch, where one follows the other", async () => {
    const [little, much] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(little, "account.a")
    await commitsAre(1)
    answer(0, Effect.succeed(11))
    await until("it is told", () => little.told.length === 1)
    const first = proposeMany(much, "b")
    await commitsAre(2)
    const settled = runtime.runPromise(journal.settle(little))
    const second = proposeMany(much, "c")
    answer(1, Effect.succeed(21))
    await commitsAre(3)
    proposeMany(much, "d")
    expect(bucket.commits.slice(1).map(({ keys }) => keys)).toEqual([
      [...first, "position.2"],
      [...second, "position.2", "position.1"]
    ])
    answer(2, Effect.succeed(41))
    await settled
    await commitsAre(4)
    expect(bucket.commits[3]?.keys).not.toContain("position.1")
  })

  it("moves no position over a message of which a part is not written, and none that is written already", async () => {
    const epoch = new TestEpoch(0, 5)
    const [first, second] = [epoch.receive(2), epoch.receive()]
    journal.submit(epoch.propose(first, [write("account.a")]))
    await commitsAre(1)
    answer(0, Effect.succeed(11))
    journal.submit(epoch.propose(second, [write("account.b")]))
    await commitsAre(2)
    answer(1, Effect.succeed(12))
    await until("both are told", () => epoch.told.length === 2)
    await runtime.runPromise(journal.settle(epoch))
    expect([epoch.committedSequences, bucket.commits.length]).toEqual([[], 2])
    journal.submit(epoch.propose(first, []))
    await until("the messages are committed", () => epoch.committedSequences.length === 2)
    const settled = runtime.runPromise(journal.settle(epoch))
    await commitsAre(3)
    expect(bucket.commits[2]?.writes[0]?.value).toBe(encodePosition(2))
    answer(2, Effect.succeed(13))
    await settled
    await runtime.runPromise(journal.settle(epoch))
    expect(bucket.commits).toHaveLength(3)
  })

  it.each<readonly [string, CommitFailure]>([
    ["its outcome is unknown", new OutcomeUnknown({ operation: "commit", reason: "no answer" })],
    ["it lost a compare-and-set", new CommitConflict({ reason: "wrong last sequence" })],
    ["the broker is away", new BrokerUnavailable({ operation: "commit", reason: "not connected" })]
  ])("when %s, the epochs of the batch are over, and nothing of them is committed again", async (_when, failure) => {
    const [one, two, other] = [new TestEpoch(1, 5), new TestEpoch(2, 6), new TestEpoch(3, 7)]
    const first = proposeMany(one, "a")
    propose(two, "account.b")
    await commitsAre(1)
    propose(one, "account.c")
    const second = proposeMany(other, "d")
    answer(0, Effect.fail(failure))
    await commitsAre(2)
    propose(two, "account.e")
    propose(other, "account.f")
    answer(1, Effect.succeed(1))
    await commitsAre(3)
    answer(2, Effect.succeed(10))
    await until("the others are told", () => other.told.length === second.length + 1)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      [...first, "account.b", "position.1", "position.2"],
      [...second, "position.3"],
      ["account.f"]
    ])
    expect([one.failures, two.failures, other.failures]).toEqual([[failure.message], [failure.message], []])
    expect([one.told, two.told, one.committedSequences, two.committedSequences]).toEqual([[], [], [], []])
    expect(other.committedSequences).toEqual(countTo(second.length + 1))
  })

  it("ends the epoch of a write that stood alone and failed, and no other", async () => {
    const [one, two] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(one, "account.a")
    propose(two, "account.b")
    await commitsAre(2)
    propose(one, "account.c")
    answer(0, Effect.fail(new CommitConflict({ reason: "wrong last sequence" })))
    answer(1, Effect.succeed(12))
    await commitsAre(3)
    expect(bucket.commits[2]?.keys).toEqual(["position.2"])
    expect([one.failures.length, one.told, one.progress.position]).toEqual([1, [], 0])
    expect([two.failures, two.told]).toEqual([[], [["account.b", 12]]])
  })

  it("ends an epoch whose position is refused: somebody else has the partition", async () => {
    const epoch = new TestEpoch(0, 5)
    propose(epoch, "account.a")
    await commitsAre(1)
    answer(0, Effect.succeed(11))
    await commitsAre(2)
    expect(bucket.commits[1]?.keys).toEqual(["position.0"])
    answer(1, Effect.fail(new CommitConflict({ reason: "wrong last sequence" })))
    await until("the epoch is over", () => epoch.failures.length === 1)
    await runtime.runPromise(journal.settle(epoch))
  })

  it("commits nothing more of an epoch that ended meanwhile, and tells what of it was in flight", async () => {
    const epoch = new TestEpoch(0, 5)
    propose(epoch, "account.a")
    await commitsAre(1)
    epoch.failed("another owner")
    propose(epoch, "account.b")
    answer(0, Effect.succeed(9))
    await until("the commit is told", () => epoch.told.length === 1)
    const next = new TestEpoch(0, 6)
    propose(next, "account.c")
    await commitsAre(2)
    expect(bucket.commits[1]?.keys).toEqual(["account.c"])
    expect(epoch.failures).toEqual(["another owner"])
  })
})
