// The applying half of the floor program: the protocol of the ledger without Effect, validation, actors or recovery. It
// starts on an empty ledger, owns every partition, and ends at whatever is not success.
import { connect, createInbox, nuid } from "nats"
import { ledgerPrefix, ownerKey, positionKey } from "../../../src/domain/Subject.ts"
import { FloorAccount, type FloorWrite } from "./Account.ts"
import { type FloorDelivery, ownPartition, pullPartition } from "./Partition.ts"
import { endWithBenchmark, fail, floorPartitions, headersOf, replies, tell } from "./Protocol.ts"

interface Lane {
  readonly partition: number
  readonly epoch: number
  readonly received: Array<FloorDelivery>
}

const batchMessagesMax = 1_000
const revisionPurchasesMax = 2_000
const batchPurchasesMax = 8_000

const client = await connect({ servers: process.env["NATS_URL"] ?? "", name: "floor worker" })
const publish = replies(client)
const confirmations = createInbox()
client.subscribe(confirmations, { callback: () => undefined })
const accounts = new Map<string, FloorAccount>()
const lanes: Array<Lane> = []
let isCommitting = false

const accountOf = (userId: string): FloorAccount => {
  const known = accounts.get(userId)
  if (known !== undefined) return known
  const account = new FloorAccount(userId)
  accounts.set(userId, account)
  return account
}

/** Takes whole messages as long as what they touch fits into one batch. */
const compose = () => {
  const touched = new Set<FloorAccount>()
  const taken = new Map<Lane, Array<FloorDelivery>>()
  let purchases = 0
  let room = batchMessagesMax - floorPartitions
  for (const lane of lanes) {
    const { received } = lane
    const deliveries: Array<FloorDelivery> = []
    for (const delivery of received) {
      const added = new Set(delivery.purchases.map(({ userId }) => accountOf(userId)))
      const isFull = Array.from(added).some((account) => account.pending >= revisionPurchasesMax)
      let size = 0
      for (const account of added) if (!touched.has(account)) size += account.nextWrites
      if (size > room || isFull || purchases > batchPurchasesMax) break
      room -= size
      purchases += delivery.purchases.length
      for (const [index, purchase] of delivery.purchases.entries()) {
        const account = accountOf(purchase.userId)
        account.apply(purchase, delivery.sequence, index, delivery.storedAt)
        touched.add(account)
      }
      deliveries.push(delivery)
    }
    received.splice(0, deliveries.length)
    if (deliveries.length > 0) taken.set(lane, deliveries)
  }
  return { touched, taken }
}

const commit = (): void => {
  if (isCommitting) return
  const { touched, taken } = compose()
  if (taken.size === 0) return
  isCommitting = true
  const writes: Array<FloorWrite> = []
  for (const account of touched) writes.push(...account.writes())
  const batch = nuid.next()
  const member = (index: number) => `Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${index + 1}\r\n`
  for (const [index, { key, value, expected }] of writes.entries()) {
    const headers = headersOf(`${member(index)}Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`)
    client.publish(ledgerPrefix + key, value, { headers })
  }
  let index = writes.length
  const positions = Array.from(taken, ([{ partition, epoch }, deliveries]) => {
    const guard =
      `${member(index)}Nats-Expected-Last-Subject-Sequence: ${epoch}\r\n` +
      `Nats-Expected-Last-Subject-Sequence-Subject: ${ledgerPrefix}${ownerKey(partition)}\r\n`
    index += 1
    const value = JSON.stringify({ version: 1, position: deliveries.at(-1)?.sequence })
    return { subject: ledgerPrefix + positionKey(partition), value, guard }
  })
  const last = positions.pop()
  for (const { subject, value, guard } of positions) client.publish(subject, value, { headers: headersOf(guard) })
  if (last === undefined) return
  const headers = headersOf(`${last.guard}Nats-Batch-Commit: 1\r\n`)
  publish(last.subject, last.value, headers, ({ seq, count }) => {
    if (count !== index) fail(`${count} of ${index} writes were committed`)
    for (const [place, { written }] of writes.entries()) written(seq - index + 1 + place)
    for (const deliveries of taken.values()) {
      for (const { acknowledgeSubject } of deliveries) {
        client.publish(acknowledgeSubject, "+ACK", { reply: confirmations })
      }
    }
    isCommitting = false
    commit()
  })
}

const own = async (partition: number): Promise<void> => {
  const lane: Lane = { partition, epoch: await ownPartition(client, partition), received: [] }
  lanes.push(lane)
  await pullPartition(client, partition, lane.epoch, (delivery) => {
    lane.received.push(delivery)
    commit()
  })
}

endWithBenchmark()
for (let partition = 0; partition < floorPartitions; partition += 1) await own(partition)
tell({ kind: "ready" })
