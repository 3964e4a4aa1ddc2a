// The worker of the floor program for single requests: it writes each account as soon as something comes for it, tells
// the edge what is applied, and answers strong reads. Else it is as bare as the worker that writes in batches. Unlike the
// ledger it makes no batches, and has writes of several accounts of a partition in flight, which one broker allows.
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
import { type InputMessage, InputProgress } from "../../../src/ledger/InputProgress.ts"
import { FloorAccount } from "./Account.ts"
import { ownPartition, pullPartition, type FloorDelivery } from "./Partition.ts"
import { endWithBenchmark, fail, floorPartitions, type FloorNotice, headersOf, replies, tell } from "./Protocol.ts"
import { findSequence, shared } from "./SharedRead.ts"

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

const own = async (partition: number): Promise<void> => {
  const epoch = await ownPartition(client, partition)
  const owner = ledgerPrefix + ownerKey(partition)
  const guard = headersOf(
    `Nats-Expected-Last-Subject-Sequence: ${epoch}\r\nNats-Expected-Last-Subject-Sequence-Subject: ${owner}\r\n`
  )
  let through = 0
  let givenWaiting: Array<{ readonly sequence: number; readonly given: () => void }> = []

  const progress = new InputProgress<string>(0)
  let written = 0
  setInterval(() => {
    const { position } = progress
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

  const finished = (part: InputMessage<string>): void => {
    part.remaining -= 1
    for (const { tag } of progress.advance()) committed.push(tag)
  }

  await pullPartition(client, partition, epoch, (delivery: FloorDelivery) => {
    const { purchases, sequence, storedAt, acknowledgeSubject, noticeTo } = delivery
    const [edge = "", message] = noticeTo.split(" ")
    const parts = progress.receive(sequence, purchases.length, acknowledgeSubject)
    const touched = new Set<Kept>()
    through = sequence
    for (const [index, purchase] of purchases.entries()) {
      const kept = accountOf(purchase.userId)
      kept.account.apply(purchase, sequence, index, storedAt)
      const { total } = kept.account
      kept.applied.push(() => {
        notify(edge, [Number(message), index, total])
        finished(parts)
      })
      touched.add(kept)
    }
    for (const kept of touched) write(kept)
    for (const { sequence, given } of givenWaiting) if (sequence <= through) given()
    givenWaiting = givenWaiting.filter(({ sequence }) => sequence > through)
  })

  const filter = partitionFilter(partition)
  const newestInput = shared(async () => {
    const given = through
    const newer = await findSequence(client, inputStream, { seq: given + 1, next_by_subj: filter })
    return newer === undefined ? given : ((await findSequence(client, inputStream, { last_by_subj: filter })) ?? 0)
  })
  const ownedBy = shared(() => findSequence(client, ledgerStream, { last_by_subj: owner }))

  /** Answers when everything that was stored before is given, and the partition still ours. */
  const current = async (): Promise<void> => {
    const sequence = await newestInput()
    if (sequence > through) await new Promise<void>((given) => givenWaiting.push({ sequence, given }))
    if ((await ownedBy()) !== epoch) fail(`${owner} is of another`)
  }

  client.subscribe(querySubject(partition), {
    callback: async (_error, message) => {
      await current()
      const kept = accountOf(message.string())
      const answer = () => message.respond(`${kept.account.total} ${kept.account.count}`)
      if (kept.isWriting) kept.looks.push(answer)
      else answer()
    }
  })
}

endWithBenchmark()
for (let partition = 0; partition < floorPartitions; partition += 1) await own(partition)
tell({ kind: "ready" })
