// The worker of the floor program for single requests: it writes each account as soon as something comes for it, tells
// the edge what is applied, and answers strong reads. Else it is as bare as the worker that writes in batches.
import { connect, createInbox } from "nats"
import {
  inputStream,
  ledgerPrefix,
  ledgerStream,
  ownerKey,
  partitionFilter,
  positionKey,
  querySubject
} from "../../../src/domain/Subject.ts"
import { FloorAccount } from "./Account.ts"
import { ownPartition, pullPartition, type FloorDelivery } from "./Partition.ts"
import { endWithBenchmark, fail, floorPartitions, type FloorNotice, headersOf, replies, tell } from "./Protocol.ts"

/** As the worker of the ledger: acknowledgements leave together, and positions follow. In milliseconds. */
const acknowledgeEvery = 20
const positionsEvery = 100

/** An account that has one write in flight at most, and what waits for the next, and for this one. */
interface Kept {
  readonly account: FloorAccount
  isWriting: boolean
  applied: Array<() => void>
  looks: Array<() => void>
}

const client = await connect({ servers: process.env["NATS_URL"] ?? "", name: "floor worker" })
const publish = replies(client)
const confirmations = createInbox()
client.subscribe(confirmations, { callback: () => undefined })

const accounts = new Map<string, Kept>()
const accountOf = (userId: string): Kept => {
  const known = accounts.get(userId)
  if (known !== undefined) return known
  const kept: Kept = { account: new FloorAccount(userId), isWriting: false, applied: [], looks: [] }
  accounts.set(userId, kept)
  return kept
}

const notices = new Map<string, Array<FloorNotice>>()
const notify = (edge: string, notice: FloorNotice): void => {
  if (notices.size === 0) {
    setImmediate(() => {
      for (const [subject, told] of notices) client.publish(subject, JSON.stringify(told))
      notices.clear()
    })
  }
  notices.set(edge, [...(notices.get(edge) ?? []), notice])
}

/** The sequence of a message that the broker finds, if there is one. */
const find = async (stream: string, query: object): Promise<number | undefined> => {
  const found = await client.request(`$JS.API.STREAM.MSG.GET.${stream}`, JSON.stringify(query), { timeout: 5_000 })
  return found.json<{ readonly message?: { readonly seq: number } }>().message?.seq
}

const own = async (partition: number): Promise<void> => {
  const epoch = await ownPartition(client, partition)
  const owner = ledgerPrefix + ownerKey(partition)
  const guard = headersOf(
    `Nats-Expected-Last-Subject-Sequence: ${epoch}\r\nNats-Expected-Last-Subject-Sequence-Subject: ${owner}\r\n`
  )
  let through = 0
  let givenWaiting: Array<{ readonly sequence: number; readonly given: () => void }> = []

  let position = 0
  let written = 0
  setInterval(() => {
    if (position === written) return
    written = position
    publish(ledgerPrefix + positionKey(partition), JSON.stringify({ version: 1, position }), guard, () => undefined)
  }, positionsEvery)

  const committed: Array<string> = []
  setInterval(() => {
    const last = committed.pop()
    for (const subject of committed.splice(0)) client.publish(subject, "+ACK")
    if (last !== undefined) client.publish(last, "+ACK", { reply: confirmations })
  }, acknowledgeEvery)

  const write = (kept: Kept): void => {
    if (kept.isWriting || kept.account.pending === 0) return
    kept.isWriting = true
    const told = kept.applied.splice(0)
    const writes = kept.account.writes()
    let open = writes.length
    for (const one of writes) {
      publish(ledgerPrefix + one.key, one.value, guard, ({ seq }) => {
        one.written(seq)
        open -= 1
        if (open > 0) return
        kept.isWriting = false
        for (const tellApplied of told) tellApplied()
        write(kept)
        if (!kept.isWriting) for (const look of kept.looks.splice(0)) look()
      })
    }
  }

  await pullPartition(client, partition, epoch, (delivery: FloorDelivery) => {
    const { purchases, sequence, storedAt, acknowledgeSubject, noticeTo } = delivery
    const [edge = "", message] = noticeTo.split(" ")
    let open = purchases.length
    through = sequence
    for (const [index, purchase] of purchases.entries()) {
      const kept = accountOf(purchase.userId)
      kept.account.apply(purchase, sequence, index, storedAt)
      const { total } = kept.account
      kept.applied.push(() => {
        notify(edge, [Number(message), index, total])
        open -= 1
        if (open > 0) return
        position = Math.max(position, sequence)
        committed.push(acknowledgeSubject)
      })
      write(kept)
    }
    for (const { sequence, given } of givenWaiting) if (sequence <= through) given()
    givenWaiting = givenWaiting.filter(({ sequence }) => sequence > through)
  })

  let asked: Array<() => void> = []
  let isReading = false
  /** What the log has and was not given is waited for; then, whether the partition still is ours. One at a time. */
  const read = async (): Promise<void> => {
    isReading = true
    while (asked.length > 0) {
      const now = asked
      asked = []
      const filter = partitionFilter(partition)
      if ((await find(inputStream, { seq: through + 1, next_by_subj: filter })) !== undefined) {
        const sequence = (await find(inputStream, { last_by_subj: filter })) ?? 0
        if (sequence > through) await new Promise<void>((given) => givenWaiting.push({ sequence, given }))
      }
      if ((await find(ledgerStream, { last_by_subj: owner })) !== epoch) fail(`${owner} is of another`)
      for (const look of now) look()
    }
    isReading = false
  }
  client.subscribe(querySubject(partition), {
    callback: (_error, message) => {
      asked.push(() => {
        const kept = accountOf(message.string())
        const answer = () => message.respond(`${kept.account.total} ${kept.account.count}`)
        if (kept.isWriting) kept.looks.push(answer)
        else answer()
      })
      if (!isReading) void read()
    }
  })
}

endWithBenchmark()
for (let partition = 0; partition < floorPartitions; partition += 1) await own(partition)
tell({ kind: "ready" })
