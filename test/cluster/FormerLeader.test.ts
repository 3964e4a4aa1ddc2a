import { expect, it } from "vitest"
import { commitSubject, encodeToken, inputStream, journalStream, partitionOf } from "../../src/protocol/Subject.ts"
import { type Broker, Fleet, type Member } from "../../src/harness/faults/Fleet.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { exactJson, post } from "../../src/harness/system/Shopper.ts"
import type { Sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

const partitions = 8
/** The most reads beside the former leader, after the other brokers have acknowledged a purchase. */
const readsMax = 10
/** The time after which a read beside the former leader counts as not answered, in milliseconds. */
const readWithin = 250
const electionsWithin = 60_000
/** The most tries until a former leader still answers when the other brokers have elected another leader. */
const triesMax = 3

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

const sell = (edge: Member, user: string, number: number): Promise<void> => {
  const isSold = () =>
    post(edge.ask, saleOf(user, number)).then(
      ({ ok }) => ok,
      () => false
    )
  return until(`sale ${number} is acknowledged`, isSold, electionsWithin)
}

const memberOf = (fleet: Fleet, name: string): Member => {
  const member = [...fleet.members].find((one) => one.name === name)
  if (member === undefined) throw new Error(`no ${name}`)
  return member
}

/** Starts a member's process again, which then uses only the given brokers. */
const restartAt = async (fleet: Fleet, member: Member, brokers: ReadonlyArray<Broker>): Promise<void> => {
  await fleet.end(member)
  fleet.launch(member, { NATS_URL: brokers.map(({ broker }) => broker.url).join(",") })
}

/** Returns the partitions whose input a broker delivers. */
const deliveredBy = async (admin: BrokerAdmin, broker: string): Promise<ReadonlySet<number>> => {
  const listed = await admin.api<{ consumers: ReadonlyArray<{ name: string; cluster: { leader: string } }> }>(
    `CONSUMER.LIST.${inputStream}`
  )
  const newest = new Map<number, { readonly epoch: number; readonly leader: string }>()
  for (const { name, cluster } of listed?.consumers ?? []) {
    const [partition = 0, epoch = 0] = name.slice(1).split("-").map(Number)
    if (epoch >= (newest.get(partition)?.epoch ?? 0)) newest.set(partition, { epoch, leader: cluster.leader })
  }
  return new Set([...newest].flatMap(([partition, { leader }]) => (leader === broker ? [partition] : [])))
}

/**
 * Cuts the leader of both streams off from the other brokers, and sells a purchase through the other brokers. Returns
 * the totals that an edge beside the former leader answers while that broker takes itself for the leader.
 */
const totalsBesideFormerLeader = async (fleet: Fleet) => {
  const [worker, here, there] = [memberOf(fleet, "worker-1"), memberOf(fleet, "edge-1"), memberOf(fleet, "edge-2")]
  // Only the leader of the group `meta` serves reads of its streams for long after it is cut off.
  const former = await fleet.leaderOfCluster()
  if (former === undefined) throw new Error("no leader")
  const others = fleet.brokers.filter((broker) => broker !== former)
  const admin = await BrokerAdmin.open(former.broker.url, partitions)
  for (const stream of [inputStream, journalStream]) expect(await admin.makeLeader(stream, former.name)).toBe(true)
  await restartAt(fleet, worker, [former])
  await restartAt(fleet, here, [former])
  await restartAt(fleet, there, others)

  // A broker that is cut off goes on with its deliveries, so a worker with such deliveries notices no silence.
  const users = Array.from({ length: 50 }, (_, index) => `user-${index}`)
  let served: string | undefined
  while (served === undefined) {
    await sell(here, "user-0", 0)
    const delivered = await deliveredBy(admin, former.name)
    served = users.find((user) => delivered.has(partitionOf(encodeToken(user), partitions)))
    if (served === undefined) await restartAt(fleet, worker, [former])
  }
  const user = served
  await sell(here, user, 1)
  let before: number | undefined
  await until("the total is read", async () => (before = await totalAt(here, user)) !== undefined, electionsWithin)

  for (const route of former.routes) route.cut(["out", "in"])
  await restartAt(fleet, await fleet.add("worker", "worker-2"), others)
  await sell(there, user, 2)
  const newest = { last_by_subj: commitSubject(partitionOf(encodeToken(user), partitions)) }
  const isAnswering = () =>
    admin.api(`STREAM.MSG.GET.${journalStream}`, newest).then(
      () => true,
      () => false
    )
  const after: Array<number | undefined> = []
  for (let read = 0; read < readsMax; read += 1) {
    const total = await totalAt(here, user)
    if (!(await isAnswering())) break
    after.push(total)
  }
  fleet.heal()
  const isCurrent = async () => (await totalAt(here, user)) === (before ?? 0) + 100
  await until("the edge at the former leader is current again", isCurrent, electionsWithin)
  await admin.close()
  return after
}

it("a worker at a leader that was cut off answers no strong read once the other brokers store purchases", async () => {
  const environment = { PARTITIONS: String(partitions), INPUT_BYTES_MAX: "8388608" }
  const options = { workers: 1, edges: 2, judges: 0, isCluster: true, environment, note: () => undefined }
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const fleet = await Fleet.start(options)
    const totals = await totalsBesideFormerLeader(fleet).finally(() => fleet.stop())
    expect(totals.filter((total) => total !== undefined)).toEqual([])
    if (totals.length > 0) return
  }
  expect.unreachable(`no former leader answered in ${triesMax} tries`)
}, 300_000)
