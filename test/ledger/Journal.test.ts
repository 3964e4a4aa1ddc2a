import { Deferred, Effect, Layer, ManagedRuntime } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import { Journal } from "../../src/ledger/Journal.ts"
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

  /** More than is written alone, so that they make a batch. */
  const proposeMany = (epoch: TestEpoch, ...keys: ReadonlyArray<string>) => {
    for (const key of keys) propose(epoch, key)
  }

  it("has one batch in flight; what comes meanwhile goes into the next, all together", async () => {
    const epoch = new TestEpoch(0, 5)
    proposeMany(epoch, "account.a", "account.b", "account.c")
    await commitsAre(1)
    for (const key of ["account.d", "account.e", "account.f"]) propose(epoch, key)
    // Many turns of the event loop, in which a second one could begin.
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect([bucket.mostOpen(), bucket.commits.length]).toEqual([1, 1])
    expect(epoch.told).toEqual([])
    answer(0, Effect.succeed(101))
    await commitsAre(2)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      ["account.a", "account.b", "account.c", "position.0"],
      ["account.d", "account.e", "account.f", "position.0"]
    ])
    expect(epoch.told).toEqual([
      ["account.a", 101],
      ["account.b", 102],
      ["account.c", 103]
    ])
    expect(epoch.committedSequences).toEqual([1, 2, 3])
    answer(1, Effect.succeed(201))
    await until("the second is told", () => epoch.told.length === 6)
    expect(epoch.told.slice(3)).toEqual([
      ["account.d", 201],
      ["account.e", 202],
      ["account.f", 203]
    ])
    expect(epoch.committedSequences).toEqual([1, 2, 3, 4, 5, 6])
    expect(epoch.failures).toEqual([])
  })

  it("writes what is little alone, one of each partition at a time, and the positions after that", async () => {
    const [one, two] = [new TestEpoch(1, 5), new TestEpoch(2, 6)]
    propose(one, "account.a")
    propose(two, "account.b")
    propose(one, "account.c")
    await commitsAre(2)
    expect(bucket.commits.map(({ writes }) => writes)).toEqual([
      [{ key: "account.a", value: write("account.a").value, guard: { key: "owner.1", revision: 5 } }],
      [{ key: "account.b", value: write("account.b").value, guard: { key: "owner.2", revision: 6 } }]
    ])
    answer(1, Effect.succeed(12))
    answer(0, Effect.succeed(11))
    await commitsAre(3)
    expect([one.told, two.told]).toEqual([[["account.a", 11]], [["account.b", 12]]])
    expect(bucket.commits[2]?.keys).toEqual(["account.c"])
    answer(2, Effect.succeed(13))
    await commitsAre(5)
    expect(bucket.commits.slice(3).map(({ writes }) => writes)).toEqual([
      [{ key: "position.1", value: encodePosition(2), guard: { key: "owner.1", revision: 5 } }],
      [{ key: "position.2", value: encodePosition(1), guard: { key: "owner.2", revision: 6 } }]
    ])
    expect([one.committedSequences, two.committedSequences]).toEqual([[1, 2], [1]])
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
    proposeMany(one, "account.a", "account.b", "account.c")
    propose(two, "account.d")
    await commitsAre(1)
    propose(one, "account.e")
    proposeMany(other, "account.f", "account.g", "account.h")
    answer(0, Effect.fail(failure))
    await commitsAre(2)
    propose(two, "account.i")
    propose(other, "account.j")
    answer(1, Effect.succeed(1))
    await commitsAre(3)
    answer(2, Effect.succeed(10))
    await until("the others are told", () => other.told.length === 4)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      ["account.a", "account.b", "account.c", "account.d", "position.1", "position.2"],
      ["account.f", "account.g", "account.h", "position.3"],
      ["account.j"]
    ])
    expect([one.failures, two.failures, other.failures]).toEqual([[failure.message], [failure.message], []])
    expect([one.told, two.told, one.committedSequences, two.committedSequences]).toEqual([[], [], [], []])
    expect(other.committedSequences).toEqual([1, 2, 3, 4])
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
