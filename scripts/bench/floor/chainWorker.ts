// The worker of the floor program on the commit chain: one message a commit and partition, a table of heads, hints and
// bases behind it. No Effect, validation, actors or recovery: it ends at whatever is not success.
import { connect, type NatsConnection } from "nats"
import {
  commitSubject,
  encodeToken,
  headsStream,
  inputStream,
  journalStream,
  partitionFilter,
  querySubject
} from "../../../src/domain/Subject.ts"
import { ChainHeads } from "./ChainHeads.ts"
import { ChainLane } from "./ChainLane.ts"
import { chainReads } from "./ChainReads.ts"
import { pullPartition } from "./Partition.ts"
import { endWithBenchmark, fail, floorPartitions, type FloorNotice, replies, tell } from "./Protocol.ts"
import { ResidentAccounts } from "./ResidentAccounts.ts"
import { findSequence, shared } from "./SharedRead.ts"

/** More would be more than the broker may have on its way to one connection. */
const pullMessages = 32
const bytesPerKibibyte = 1_024

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual)

const connectOrEnd = async (): Promise<NatsConnection> => {
  const client = await connect({ servers: process.env["NATS_URL"] ?? "", name: "floor worker", reconnect: false })
  // What was asked on a lost connection is never answered.
  void client.closed().then((cause) => fail(`the connection ended: ${cause}`))
  return client
}

const client = await connectOrEnd()
const publish = replies(client)
const reads = chainReads(client, journalStream)
const headReads = chainReads(client, headsStream)
const accounts = new ResidentAccounts(setting("RESIDENT", Number.POSITIVE_INFINITY))

const notices = new Map<string, Array<FloorNotice>>()
const notify = (edge: string, notice: FloorNotice): void => {
  if (notices.size === 0) {
    setImmediate(() => {
      for (const [subject, told] of notices) client.publish(subject, JSON.stringify(told))
      notices.clear()
    })
  }
  const told = notices.get(edge)
  if (told === undefined) notices.set(edge, [notice])
  else told.push(notice)
}

/** Answers strong reads: everything stored before is committed, and the partition is still ours after that. */
const answerReads = (lane: ChainLane, partition: number): void => {
  const filter = partitionFilter(partition)
  const newestInput = shared(async () => {
    const { position } = lane
    const newer = await findSequence(client, inputStream, { seq: position + 1, next_by_subj: filter })
    return newer === undefined ? position : ((await findSequence(client, inputStream, { last_by_subj: filter })) ?? 0)
  })
  const stillOwner = shared(async () => {
    const { newest } = lane
    const later = await findSequence(client, journalStream, { seq: newest + 1, next_by_subj: commitSubject(partition) })
    if (later !== undefined && !(await lane.isOwn(later))) fail(`partition ${partition} is of another owner`)
  })
  client.subscribe(querySubject(partition), {
    callback: async (_error, message) => {
      await lane.untilCommitted(await newestInput())
      const account = await lane.account(encodeToken(message.string()))
      if (account.isCommitting) await new Promise<void>((look) => account.looks.push(look))
      const answer = `${account.total} ${account.count}`
      await (lane.hasWork ? lane.untilNextCommit() : stillOwner())
      message.respond(answer)
    }
  })
}

const own = async (partition: number): Promise<void> => {
  const heads = new ChainHeads({ partition, client, publish, reads: headReads })
  const lane = new ChainLane({
    partition,
    client,
    publish,
    reads,
    heads,
    accounts,
    notify,
    commitBytesMax: setting("COMMIT_KIB", 64) * bytesPerKibibyte
  })
  await lane.takeOver()
  await pullPartition(client, partition, lane.epoch, (delivery) => lane.receive(delivery), pullMessages)
  answerReads(lane, partition)
}

endWithBenchmark()
await Promise.all(Array.from({ length: floorPartitions }, (_, partition) => own(partition)))
tell({ kind: "ready" })
