// The worker of the floor: writes commits of one message each to the chains, and writes heads. The worker of the floor
// has no Effect, validation, actors or recovery, and ends at each failure.
import type { NatsConnection } from "nats"
import { connectAs } from "../../../src/harness/system/TestKeys.ts"
import {
  commitSubject,
  encodeToken,
  headsStream,
  inputStream,
  journalStream,
  partitionFilter,
  querySubject
} from "../../../src/protocol/Subject.ts"
import { FloorHeads } from "./FloorHeads.ts"
import { FloorLane } from "./FloorLane.ts"
import { floorReads } from "./FloorReads.ts"
import { pullPartition } from "./Partition.ts"
import { endWithBenchmark, fail, floorPartitions, type FloorNotice, replies, tell } from "./Protocol.ts"
import { ResidentAccounts } from "./ResidentAccounts.ts"
import { findSequence, shared } from "./SharedRead.ts"

/**
 * The number of messages that are pulled at once. More messages would exceed the bytes that the broker may send to one
 * connection at once.
 */
const pullMessages = 32
/** The most bytes of a commit, the same as in the system. */
const commitBytesMax = 128 * 1_024

const connectOrEnd = async (): Promise<NatsConnection> => {
  const client = await connectAs("admin", process.env["NATS_URL"] ?? "", { name: "floor worker", reconnect: false })
  // The process ends with its connection, because a question on a lost connection gets no answer.
  void client.closed().then((cause) => fail(`the connection ended: ${cause}`))
  return client
}

const client = await connectOrEnd()
const publish = replies(client)
const reads = floorReads(client, journalStream)
const headReads = floorReads(client, headsStream)
const accounts = new ResidentAccounts(Number(process.env["RESIDENT"] ?? Number.POSITIVE_INFINITY))

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

/**
 * Answers strong reads. An answer waits until all input that was stored before is committed, and until this worker has
 * proved that it is still the owner.
 */
const answerReads = (lane: FloorLane, partition: number): void => {
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
  const heads = new FloorHeads({ partition, client, publish, reads: headReads })
  const lane = new FloorLane({
    partition,
    client,
    publish,
    reads,
    heads,
    accounts,
    notify,
    commitBytesMax
  })
  await lane.takeOver()
  await pullPartition(client, partition, lane.epoch, (delivery) => lane.receive(delivery), pullMessages)
  answerReads(lane, partition)
}

endWithBenchmark()
await Promise.all(Array.from({ length: floorPartitions }, (_, partition) => own(partition)))
tell({ kind: "ready" })
