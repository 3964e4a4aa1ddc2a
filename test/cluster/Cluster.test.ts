import { Effect, Exit, ManagedRuntime, Option } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { inputStream, ledgerStream } from "../../src/domain/Subject.ts"
import { LedgerBucket } from "../../src/nats/LedgerBucket.ts"
import { brokerLayer } from "../../src/Roles.ts"
import { Installation } from "../support/Installation.ts"
import { until } from "../support/TestBroker.ts"
import { testSettings } from "../support/TestLedger.ts"
import { Wire } from "../support/Wire.ts"

const electionsWithin = 60_000
/** How often two batches are to meet that name one guard. */
const roundsMax = 20

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

  it("10164 tells that two batches under way name one guard: a lost compare-and-set, and nothing is written", async () => {
    const { url } = installation.cluster
    const runtime = ManagedRuntime.make(brokerLayer(testSettings({ NATS_URL: url, REPLICAS: "3" }), "contract"))
    const wire = await Wire.tap(url)
    const commits = Effect.fnUntraced(function* (round: number) {
      const bucket = yield* LedgerBucket
      const guard = { key: "owner.contract", revision: yield* bucket.put("owner.contract", "{}") }
      const indices = Array.from({ length: 20 }, (_, index) => index)
      const exits = yield* Effect.forEach(
        indices,
        (index) =>
          Effect.exit(
            bucket.commit([
              { key: `contract.${round}-${index}`, value: "x", expected: 0 },
              { key: `position.contract-${index}`, value: "x", guard }
            ])
          ),
        { concurrency: "unbounded" }
      )
      const found = yield* Effect.forEach(indices, (index) => bucket.latest(`contract.${round}-${index}`))
      return exits.map((exit, index) => ({ exit, isThere: found[index] !== undefined, guard: guard.revision }))
    })
    const answers = new Set<number | undefined>()
    // Two meet on their way in nearly each round, but no round has to bring that.
    for (let round = 1; round <= roundsMax && !answers.has(10_164); round += 1) {
      const outcomes = await runtime.runPromise(commits(round))
      const mine = () => wire.commits.filter(({ guard }) => guard === outcomes[0]?.guard)
      await until("all answers are heard", () => mine().filter(({ answer }) => answer !== undefined).length === 20)
      for (const { answer } of mine()) answers.add(answer)
      for (const { exit, isThere } of outcomes) {
        expect(isThere).toBe(Exit.isSuccess(exit))
        if (Exit.isFailure(exit)) {
          expect(Option.getOrThrow(Exit.findErrorOption(exit))).toMatchObject({ _tag: "CommitConflict" })
        }
      }
    }
    expect(answers).toEqual(new Set([0, 10_164]))
    await wire.close()
    await runtime.dispose()
  })

  it("a broker that does not lead the ledger gives what it was told of, though it learns of it later", async () => {
    const leader = await installation.cluster.leaderOf(ledgerStream)
    const follower = installation.cluster.brokers.find((broker) => broker !== leader)
    if (follower === undefined) return expect.unreachable()
    const settings = testSettings({ NATS_URL: follower.url, REPLICAS: "3" })
    const runtime = ManagedRuntime.make(brokerLayer(settings, "contract"))
    const rounds = 200
    const reads = Effect.gen(function* () {
      const bucket = yield* LedgerBucket
      const late: Array<number> = []
      for (let round = 1; round <= rounds; round += 1) {
        const written = yield* bucket.put("told", String(round))
        const [found] = yield* Effect.all([bucket.latestTold("told"), bucket.latestTold("told-none")], {
          concurrency: "unbounded"
        })
        const same = yield* bucket.at(written)
        if (found?.sequence !== written || same?.value !== String(round)) late.push(round)
      }
      return late
    })
    expect(await runtime.runPromise(reads)).toEqual([])
    await runtime.dispose()
  })

  it("lose nothing and go on when whoever leads, a worker and an edge are killed, again and again", async () => {
    const { cluster, traffic } = installation
    const felt = performance.now()
    for (const [index, led] of ([ledgerStream, inputStream, "meta"] as const).entries()) {
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
    // A run in which nobody felt the kills would prove nothing.
    expect(Object.keys(traffic.feltSince("write", felt).errors)).not.toEqual([])
    expect(traffic.readProblems).toEqual([])
  }, 180_000)

  it("answer 503 while two brokers are gone, and go on by themselves when the second is back", async () => {
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

  it("hand over on SIGTERM, and have nothing lost, doubled, out of order or read too old in the end", async () => {
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
