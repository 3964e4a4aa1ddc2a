import { afterAll, beforeAll, expect, it } from "vitest"
import { encodeToken, inputStream, journalStream, partitionOf } from "../../src/protocol/Subject.ts"
import { type Broker, Fleet, type Member } from "../../src/harness/faults/Fleet.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { exactJson, post } from "../../src/harness/system/Shopper.ts"
import type { Sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

const partitions = 8
/** The number of reads beside the former leader, after the other brokers have acknowledged a purchase. */
const readsAfterwards = 20
/** The time after which a read beside the former leader is given up, in milliseconds. */
const readWithin = 250
const electionsWithin = 60_000

const saleOf = (userId: string, number: number): Sold => ({
  userId,
  purchaseId: `sale-${number}`,
  productName: "tea",
  productType: "food",
  quantity: 1,
  valueCents: 100
})

/** Returns the total in cents that an edge answers; `undefined` if the edge answers no total in time. */
const totalAt = ({ ask }: Member, userId: string): Promise<number | undefined> =>
  ask(`/total/${userId}`, { signal: AbortSignal.timeout(readWithin) }).then(
    async (answer) => (answer.ok ? Number(exactJson(await answer.text()).totalDebt) : undefined),
    () => undefined
  )

let fleet: Fleet

beforeAll(async () => {
  const environment = { PARTITIONS: String(partitions), INPUT_BYTES_MAX: "8388608" }
  const note = () => undefined
  fleet = await Fleet.start({ workers: 1, edges: 2, judges: 0, isCluster: true, environment, note })
})

afterAll(() => fleet.stop())

const memberOf = (name: string): Member => {
  const member = [...fleet.members].find((one) => one.name === name)
  if (member === undefined) throw new Error(`no ${name}`)
  return member
}

/** Starts a member's process again, which then uses only the given brokers. */
const restartAt = async (member: Member, brokers: ReadonlyArray<Broker>) => {
  await fleet.end(member)
  fleet.launch(member, { NATS_URL: brokers.map(({ broker }) => broker.url).join(",") })
}

/** Makes a broker the leader of the input log and of the journal. */
const lead = async (admin: BrokerAdmin, broker: string) => {
  for (const stream of [inputStream, journalStream]) {
    const isLeader = async () => {
      const info = await admin.api<{ cluster: { leader?: string } }>(`STREAM.INFO.${stream}`)
      if (info?.cluster.leader === broker) return true
      await admin.api(`STREAM.LEADER.STEPDOWN.${stream}`, { placement: { preferred: broker } }).catch(() => undefined)
      return false
    }
    await until(`${broker} leads ${stream}`, isLeader, electionsWithin)
  }
}

/** Returns the partitions whose input a broker delivers. */
const deliveredBy = async (admin: BrokerAdmin, broker: string): Promise<ReadonlySet<number>> => {
  const listed = await admin.api<{ consumers: ReadonlyArray<{ name: string; cluster: { leader: string } }> }>(
    `CONSUMER.LIST.${inputStream}`
  )
  // The consumers of earlier epochs come first.
  const newest = new Map(
    listed?.consumers.map(({ name, cluster }) => [Number.parseInt(name.slice(1), 10), cluster.leader] as const)
  )
  return new Set([...newest].flatMap(([partition, leader]) => (leader === broker ? [partition] : [])))
}

it("a worker at a leader that was cut off answers no strong read once the other brokers store purchases", async () => {
  const [worker, here, there] = [memberOf("worker-1"), memberOf("edge-1"), memberOf("edge-2")]
  // Only the leader of the group `meta` serves reads of its streams for long after it is cut off.
  const { leader } = (await fleet.brokers[0]?.broker.monitoring("/jsz"))?.meta_cluster ?? {}
  const former = fleet.brokers.find(({ name }) => name === leader)
  const others = fleet.brokers.filter(({ name }) => name !== leader)
  if (former === undefined) return expect.unreachable()
  const admin = await BrokerAdmin.open(fleet.brokerUrls, partitions)
  await lead(admin, former.name)
  await restartAt(worker, [former])
  await restartAt(here, [former])
  await restartAt(there, others)

  // A broker that is cut off goes on with its deliveries, so a worker with such deliveries notices no silence.
  const users = Array.from({ length: 50 }, (_, index) => `user-${index}`)
  const served = async () => {
    const delivered = await deliveredBy(admin, former.name)
    return users.filter((user) => delivered.has(partitionOf(encodeToken(user), partitions)))
  }
  const sell = (edge: Member, user: string, number: number) => {
    const isSold = () =>
      post(edge.ask, saleOf(user, number)).then(
        ({ ok }) => ok,
        () => false
      )
    return until(`sale ${number} is acknowledged`, isSold, electionsWithin)
  }
  await sell(here, "user-0", 0)
  while ((await served()).length === 0) {
    await restartAt(worker, [former])
    await sell(here, "user-0", 0)
  }
  const [user = ""] = await served()
  await sell(here, user, 1)
  const before = await totalAt(here, user)
  await admin.close()

  for (const route of former.routes) route.cut(["out", "in"])
  await restartAt(await fleet.add("worker", "worker-2"), others)
  await sell(there, user, 2)
  const totals: Array<number | undefined> = []
  for (let read = 0; read < readsAfterwards; read += 1) totals.push(await totalAt(here, user))
  expect(before).toBeGreaterThan(0)
  expect(totals.filter((total) => total !== undefined)).toEqual([])

  fleet.heal()
  const isCurrent = async () => (await totalAt(here, user)) === (before ?? 0) + 100
  await until("the edge at the former leader is current again", isCurrent, electionsWithin)
}, 180_000)
