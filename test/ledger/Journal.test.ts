import { Deferred, Effect, Layer, ManagedRuntime } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/domain/BrokerError.ts"
import { Journal } from "../../src/ledger/Journal.ts"
import { CommitConflict, type CommitFailure, LedgerBucket, type Write } from "../../src/nats/LedgerBucket.ts"
import { until } from "../support/TestBroker.ts"
import { TestEpoch, write } from "../support/TestEpoch.ts"

interface Commit {
  readonly keys: ReadonlyArray<string>
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
        commits.push({ keys: batch.map(({ key }) => key), answer })
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

  it("has one batch in flight; what comes meanwhile goes into the next, all together", async () => {
    const epoch = new TestEpoch(0, 5)
    propose(epoch, "account.a")
    await commitsAre(1)
    for (const key of ["account.b", "account.c", "account.d"]) propose(epoch, key)
    // Many turns of the event loop, in which a second one could begin.
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
    expect([bucket.mostOpen(), bucket.commits.length]).toEqual([1, 1])
    expect(epoch.told).toEqual([])
    answer(0, Effect.succeed(101))
    await commitsAre(2)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      ["account.a", "position.0"],
      ["account.b", "account.c", "account.d", "position.0"]
    ])
    expect(epoch.told).toEqual([["account.a", 101]])
    expect(epoch.committedSequences).toEqual([1])
    answer(1, Effect.succeed(201))
    await until("the second is told", () => epoch.told.length === 4)
    expect(epoch.told.slice(1)).toEqual([
      ["account.b", 201],
      ["account.c", 202],
      ["account.d", 203]
    ])
    expect(epoch.committedSequences).toEqual([1, 2, 3, 4])
    expect(epoch.failures).toEqual([])
  })

  it.each<readonly [string, CommitFailure]>([
    ["its outcome is unknown", new OutcomeUnknown({ operation: "commit", reason: "no answer" })],
    ["it lost a compare-and-set", new CommitConflict({ reason: "wrong last sequence" })],
    ["the broker is away", new BrokerUnavailable({ operation: "commit", reason: "not connected" })]
  ])("when %s, the epochs of the batch are over, and nothing of them is committed again", async (_when, failure) => {
    const [one, two, other] = [new TestEpoch(1, 5), new TestEpoch(2, 6), new TestEpoch(3, 7)]
    propose(one, "account.a")
    propose(two, "account.b")
    await commitsAre(1)
    propose(one, "account.c")
    propose(other, "account.d")
    answer(0, Effect.fail(failure))
    await commitsAre(2)
    propose(two, "account.e")
    propose(other, "account.f")
    answer(1, Effect.succeed(1))
    await commitsAre(3)
    answer(2, Effect.succeed(10))
    await until("the others are told", () => other.told.length === 2)
    expect(bucket.commits.map(({ keys }) => keys)).toEqual([
      ["account.a", "account.b", "position.1", "position.2"],
      ["account.d", "position.3"],
      ["account.f", "position.3"]
    ])
    expect([one.failures, two.failures, other.failures]).toEqual([[failure.message], [failure.message], []])
    expect([one.told, two.told, one.committedSequences, two.committedSequences]).toEqual([[], [], [], []])
    expect(other.committedSequences).toEqual([1, 2])
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
    expect(bucket.commits[1]?.keys).toEqual(["account.c", "position.0"])
    expect(epoch.failures).toEqual(["another owner"])
  })
})
