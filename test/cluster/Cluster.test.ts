import { Effect, Exit, ManagedRuntime, Option } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { inputStream, journalStream } from "../../src/protocol/Subject.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { Installation } from "../../src/harness/system/Installation.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { testSettings } from "../../src/harness/system/TestLedger.ts"
import { Wire } from "../support/Wire.ts"

const electionsWithin = 60_000
/** The number of rounds in which commits with the same expectation meet. */
const roundsMax = 20
const rivals = 20
/** A chain for the tests, which no worker writes. */
const contractPartition = 100

describe("Three brokers, two workers and two edges under load", () => {
  let installation: Installation

  beforeAll(async () => {
    installation = await Installation.start()
  })

  afterAll(() => installation.stop())

  /** Waits until every caller has written and read again, each more than once. */
  const goesOn = () => {
    const now = performance.now()
    return until("the callers go on", () => installation.traffic.hasPassed(now), electionsWithin)
  }

  it("a commit is not stored if it is refused because another commit with its expectation is in flight", async () => {
    const { url } = installation.cluster
    const runtime = ManagedRuntime.make(
      brokerLayer(testSettings({ NATS_URL: url, REPLICAS: "3" }), "worker", "contract")
    )
    const wire = await Wire.tap(url)
    const textOf = (round: number, index: number) =>
      encodeCommit({ kind: "commit", epoch: round, worker: `rival-${index}`, position: 0 }, [])
    const commits = Effect.fnUntraced(function* (round: number) {
      const chain = yield* CommitChain
      const newest = yield* chain.newest(contractPartition)
      const indices = Array.from({ length: rivals }, (_, index) => index)
      const exits = yield* Effect.forEach(
        indices,
        (index) => Effect.exit(chain.append(contractPartition, textOf(round, index), newest?.sequence ?? 0)),
        { concurrency: "unbounded" }
      )
      const stored = yield* chain.page(contractPartition, (newest?.sequence ?? 0) + 1)
      return { exits, stored: stored.map(({ text }) => text) }
    })
    const answers = new Set<number | undefined>()
    // Two commits meet in nearly every round, but not in all rounds.
    for (let round = 1; round <= roundsMax && !answers.has(10_164); round += 1) {
      const { exits, stored } = await runtime.runPromise(commits(round))
      const mine = () => wire.commits.filter(({ worker, epoch }) => worker.startsWith("rival-") && epoch === round)
      await until("all answers are heard", () => mine().filter(({ answer }) => answer !== undefined).length === rivals)
      for (const { answer } of mine()) answers.add(answer)
      const succeeded = exits.flatMap((exit, index) => (Exit.isSuccess(exit) ? [textOf(round, index)] : []))
      expect(succeeded).toHaveLength(1)
      expect(stored).toEqual(succeeded)
      for (const exit of exits) {
        if (Exit.isSuccess(exit)) continue
        expect(Option.getOrThrow(Exit.findErrorOption(exit))).toMatchObject({ _tag: "CommitConflict" })
      }
    }
    expect(answers).toContain(0)
    expect(answers).toContain(10_164)
    answers.delete(10_071)
    expect(answers.size).toBe(2)
    await wire.close()
    await runtime.dispose()
  })

  it("a broker that learns late of an acknowledged commit still returns that commit", async () => {
    const leader = await installation.cluster.leaderOf(journalStream)
    const follower = installation.cluster.brokers.find((broker) => broker !== leader)
    if (follower === undefined) return expect.unreachable()
    const settings = testSettings({ NATS_URL: follower.url, REPLICAS: "3" })
    const runtime = ManagedRuntime.make(brokerLayer(settings, "worker", "contract"))
    const rounds = 200
    const reads = Effect.gen(function* () {
      const chain = yield* CommitChain
      const late: Array<number> = []
      let newest = (yield* chain.newest(contractPartition))?.sequence ?? 0
      for (let round = 1; round <= rounds; round += 1) {
        const text = encodeCommit({ kind: "commit", epoch: round, worker: "reader", position: round }, [])
        const before = newest
        newest = yield* chain.append(contractPartition, text, before)
        const [found, page, next] = yield* Effect.all(
          [chain.at(newest), chain.page(contractPartition, newest), chain.next(contractPartition, before)],
          { concurrency: "unbounded" }
        )
        if ([found, page.at(-1), next].some((commit) => commit?.text !== text)) late.push(round)
      }
      return late
    })
    expect(await runtime.runPromise(reads)).toEqual([])
    await runtime.dispose()
  })

  it("a loaded cluster loses nothing when leaders, a worker and an edge are killed again and again", async () => {
    const { cluster, traffic } = installation
    const felt = performance.now()
    for (const [index, led] of ([journalStream, inputStream, "meta"] as const).entries()) {
      const broker = await cluster.leaderOf(led)
      expect(broker, led).toBeDefined()
      const others = [`worker-${(index % 2) + 1}`, `edge-${(index % 2) + 1}`]
      await broker?.kill()
      for (const name of others) {
        await installation.end(name, "SIGKILL")
        installation.start(name)
      }
      await goesOn()
      broker?.launch()
      await cluster.untilWhole()
    }
    // A run without an effect of the kills would prove nothing.
    expect(Object.keys(traffic.feltSince("write", felt).errors)).not.toEqual([])
    expect(traffic.readProblems).toEqual([])
  }, 180_000)

  it("a cluster answers 503 while two of three brokers are gone, and goes on when one of them is back", async () => {
    const { cluster, traffic } = installation
    const [first, second] = cluster.brokers
    const at = performance.now()
    await Promise.all([first?.kill(), second?.kill()])
    for (const kind of ["write", "read"] as const) {
      const refused = () =>
        traffic.attemptsSince(kind, at).some(({ startedAt, status }) => startedAt > at && status === 503)
      await until(`a ${kind} is 503`, refused)
    }
    first?.launch()
    await goesOn()
    second?.launch()
    await cluster.untilWhole()
  }, 120_000)

  it("a worker of a cluster hands its partitions over on SIGTERM, and no invariant breaks", async () => {
    for (const name of ["worker-1", "worker-2"]) {
      await installation.end(name, "SIGTERM")
      await goesOn()
      installation.start(name)
      await goesOn()
    }
    await until("enough is acknowledged", () => installation.traffic.log.acknowledged > 1_000)
    expect(await installation.mistakes()).toEqual([])
  }, 120_000)
})
