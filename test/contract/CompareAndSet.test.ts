import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Proxy } from "../../src/harness/faults/Proxy.ts"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { TestCluster } from "../../src/harness/system/TestCluster.ts"
import { type Appended, chainProblems, chainStream, RivalWriter } from "./RivalWriter.ts"

/**
 * The broker's codes for a lost compare-and-set: a wrong expected sequence, and an expected sequence that a message in
 * flight makes wrong.
 */
const lostCodes = [10_071, 10_164]
const atOnce = 20
/** The number of changes of the leader in each test. */
const rounds = 3

const kinds = [
  {
    kind: "one broker",
    replicas: 1,
    start: async () => {
      const broker = await TestBroker.start()
      return { brokers: [broker], stop: () => broker.stop() }
    }
  },
  {
    kind: "three brokers",
    replicas: 3,
    start: async () => {
      const cluster = await TestCluster.start()
      await Promise.all(cluster.brokers.map((broker) => broker.untilHealthy()))
      return { brokers: cluster.brokers, stop: () => cluster.stop() }
    }
  }
]

describe.each(kinds)("a chain of commits on $kind", ({ replicas, start }) => {
  let brokers: ReadonlyArray<TestBroker>
  let stop: () => Promise<void>
  const writers: Array<RivalWriter> = []

  beforeAll(async () => {
    const started = await start()
    brokers = started.brokers
    stop = started.stop
    await (await openWriter("first")).createStream(replicas)
  })

  afterAll(async () => {
    await Promise.all(writers.map((writer) => writer.close()))
    await stop()
  })

  /** Opens a writer that is connected to one broker. Each further writer is connected to the next broker. */
  const openWriter = async (name: string, url = brokers[writers.length % brokers.length]?.url ?? "") => {
    const writer = await RivalWriter.open(url, name)
    writers.push(writer)
    return writer
  }
  const problems = async () =>
    chainProblems(
      (await writers[0]?.chain()) ?? [],
      writers.flatMap(({ attempts }) => attempts)
    )
  const stored = (outcomes: ReadonlyArray<Appended>) => outcomes.filter(({ kind }) => kind === "stored")

  it("a chain accepts exactly one of many commits that are sent at once with the same expectation", async () => {
    const rivals = await Promise.all(["rival-1", "rival-2", "rival-3"].map((name) => openWriter(name)))
    const expected = (await rivals[0]?.newest()) ?? 0
    const appends = Array.from({ length: atOnce }, (_, index) => rivals[index % rivals.length]?.append(expected))
    const outcomes = (await Promise.all(appends)).filter((outcome) => outcome !== undefined)
    expect(stored(outcomes)).toHaveLength(1)
    const codes = outcomes.flatMap((outcome) => (outcome.kind === "refused" ? [outcome.code] : []))
    expect(codes).toHaveLength(atOnce - 1)
    expect(codes.filter((code) => !lostCodes.includes(code))).toEqual([])
    expect(await problems()).toEqual([])
  })

  it("a chain refuses a commit that arrives after another owner's take-over", async () => {
    const [broker] = brokers
    if (broker === undefined) return expect.unreachable()
    const proxy = await Proxy.to(broker.port)
    const old = await openWriter("old", `nats://127.0.0.1:${proxy.port}`)
    const next = await openWriter("next")
    const expected = await next.newest()
    proxy.cut(["out"])
    const late = old.append(expected)
    const takeover = await next.append(expected)
    expect(takeover.kind).toBe("stored")
    proxy.heal()
    expect(await late).toMatchObject({ kind: "refused", code: 10_071 })
    expect(await problems()).toEqual([])
    await old.close()
    await proxy.close()
  })

  it("a chain does not store a commit with any wrong expectation", async () => {
    const writer = await openWriter("wrong")
    const newest = await writer.newest()
    const outcomes: Array<Appended> = []
    for (const expected of [0, newest - 1, newest + 1, newest + 1_000]) outcomes.push(await writer.append(expected))
    expect(outcomes.map((outcome) => (outcome.kind === "refused" ? outcome.code : outcome))).toEqual(
      Array.from(outcomes, () => 10_071)
    )
    expect((await writer.append(newest)).kind).toBe("stored")
    expect(await problems()).toEqual([])
  })

  it("the check finds a forked chain if a commit is published without an expectation", async () => {
    const writer = await openWriter("careless")
    const newest = await writer.newest()
    await writer.append(newest)
    await writer.append(undefined, newest)
    expect(await problems()).toHaveLength(1)
  })
})

describe("a chain of commits while its leader changes", () => {
  let cluster: TestCluster
  let writers: ReadonlyArray<RivalWriter>

  beforeAll(async () => {
    cluster = await TestCluster.start()
    await Promise.all(cluster.brokers.map((broker) => broker.untilHealthy()))
    writers = await Promise.all(cluster.brokers.map(({ url }, index) => RivalWriter.open(url, `owner-${index + 1}`)))
    await writers[0]?.createStream(3)
  })

  afterAll(async () => {
    await Promise.all(writers.map((writer) => writer.close()))
    await cluster.stop()
  })

  const problems = async () =>
    chainProblems(
      (await writers[0]?.chain()) ?? [],
      writers.flatMap(({ attempts }) => attempts)
    )

  const leaderNow = async (): Promise<TestBroker> => {
    let leader: TestBroker | undefined
    await until("the chain has a leader", async () => (leader = await cluster.leaderOf(chainStream)) !== undefined)
    if (leader === undefined) throw new Error("the chain has no leader")
    return leader
  }

  /**
   * Runs one of two owners that both believe to be the only owner. After each append that does not succeed, an owner
   * reads the end of the chain again.
   */
  const fight = (owner: RivalWriter | undefined, isOver: () => boolean) =>
    (async () => {
      if (owner === undefined) return
      for (let expected = await owner.newest(); !isOver();) {
        const outcome = await owner.append(expected)
        expected = outcome.kind === "stored" ? outcome.sequence : await owner.newest()
      }
    })()
  const storedBy = (owner: RivalWriter | undefined): number =>
    owner?.attempts.filter(({ outcome }) => outcome.kind === "stored").length ?? 0

  /** Waits until the chain has a leader again, and both owners have stored further messages. */
  const untilBothGoOn = (owners: ReadonlyArray<RivalWriter | undefined>) => {
    const before = owners.map(storedBy)
    return until("both owners go on", () => owners.every((owner, index) => storedBy(owner) > (before[index] ?? 0)))
  }

  it("two owners do not fork a chain while leaders step down again and again", async () => {
    let isOver = false
    const owners = [writers[0], writers[1]]
    const fights = owners.map((owner) => fight(owner, () => isOver))
    for (let round = 0; round < rounds; round += 1) {
      await untilBothGoOn(owners)
      await writers[2]?.stepDown()
    }
    await untilBothGoOn(owners)
    isOver = true
    await Promise.all(fights)
    expect(await problems()).toEqual([])
  })

  it("killed leaders with appends in flight neither fork a chain nor lose an acknowledged append", async () => {
    let isOver = false
    const owners = [writers[0], writers[1]]
    const fights = owners.map((owner) => fight(owner, () => isOver))
    for (let round = 0; round < rounds; round += 1) {
      await untilBothGoOn(owners)
      const leader = await leaderNow()
      await leader.kill()
      leader.launch()
      await leader.untilHealthy()
    }
    await untilBothGoOn(owners)
    isOver = true
    await Promise.all(fights)
    expect(await problems()).toEqual([])
  })

  it("a leader that was frozen while another leader was elected stores no message after it wakes", async () => {
    for (let round = 0; round < rounds; round += 1) {
      const leader = await leaderNow()
      const index = cluster.brokers.indexOf(leader)
      const through = writers[index]
      const other = writers[(index + 1) % writers.length]
      if (through === undefined || other === undefined) return expect.unreachable()
      const expected = await other.newest()
      await leader.freeze()
      // The messages wait in the socket of the frozen broker. When the frozen broker wakes up, it reads the messages,
      // and may still believe that it leads.
      const late = Array.from({ length: atOnce }, () => through.append(expected))
      await until("another owner takes over", async () => (await other.append(await other.newest())).kind === "stored")
      leader.wake()
      const outcomes = await Promise.all(late)
      expect(outcomes.filter(({ kind }) => kind === "stored")).toEqual([])
      await leader.untilHealthy()
      expect(await problems()).toEqual([])
    }
  })
})
