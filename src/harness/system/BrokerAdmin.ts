import { setTimeout as pause } from "node:timers/promises"
import { type ConsumerInfo, headers, type NatsConnection } from "nats"
import { type CommitHead, headOf, revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import type { Revision } from "../../account/Revision.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { commitSubject, inputStream, journalPrefix, journalStream, partitionOf } from "../../protocol/Subject.ts"
import { until } from "./TestBroker.ts"
import { connectAs } from "./TestKeys.ts"

interface Answer {
  readonly error?: { readonly err_code: number; readonly description: string }
}

interface StoredMessage {
  readonly message: { readonly subject: string; readonly seq: number; readonly data?: string; readonly hdrs?: string }
}

/** A message of a stream. */
export interface StreamRecord {
  readonly subject: string
  readonly sequence: number
  readonly text: string
  /** The header block of the message. */
  readonly headers: string
}

export interface StreamState {
  readonly messages: number
  readonly first_seq: number
  readonly last_seq: number
  readonly num_subjects: number
  readonly subjects?: Readonly<Record<string, number>>
}

/** A commit or a take-over record of a partition. */
export interface StoredCommit extends CommitHead {
  readonly sequence: number
  readonly lines: ReadonlyArray<string>
}

const messageNotFound = 10_037
const leaderTries = 20
/** The wait between two attempts to make a broker the leader of a stream, in milliseconds. */
const leaderPause = 300

const textOf = ({ message }: StoredMessage): string => Buffer.from(message.data ?? "", "base64").toString("utf8")

const recordOf = (found: StoredMessage): StreamRecord => {
  const { subject, seq: sequence, hdrs = "" } = found.message
  return { subject, sequence, text: textOf(found), headers: Buffer.from(hdrs, "base64").toString("utf8") }
}

/** Writes to and reads from the broker directly, without the edges and workers under test. */
export class BrokerAdmin {
  private readonly client: NatsConnection
  private readonly partitions: number

  private constructor(client: NatsConnection, partitions: number) {
    this.client = client
    this.partitions = partitions
  }

  static async open(url: string, partitions: number): Promise<BrokerAdmin> {
    return new BrokerAdmin(
      await connectAs("admin", url, { maxReconnectAttempts: -1, reconnectTimeWait: 50 }),
      partitions
    )
  }

  async close(): Promise<void> {
    await this.client.close()
  }

  async api<A>(subject: string, body: object = {}): Promise<(A & Answer) | undefined> {
    const reply = await this.client.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5_000 })
    const answer = reply.json<A & Answer>()
    if (answer.error === undefined) return answer
    if (answer.error.err_code === messageNotFound) return undefined
    throw new Error(`${subject}: ${answer.error.description}`)
  }

  /** Makes a broker the leader of a stream. Returns whether the broker leads the stream after some attempts. */
  async makeLeader(stream: string, broker: string): Promise<boolean> {
    const placement = { preferred: broker }
    for (let attempt = 1; attempt <= leaderTries; attempt += 1) {
      const asked = this.api<{ readonly cluster: { readonly leader?: string } }>(`STREAM.INFO.${stream}`)
      const info = await asked.catch(() => undefined)
      if (info?.cluster.leader === broker) return true
      await this.api(`STREAM.LEADER.STEPDOWN.${stream}`, { placement }).catch(() => undefined)
      await pause(leaderPause)
    }
    return false
  }

  /** Stores a message, and returns its sequence. Throws an Error if the broker drops the message as a duplicate. */
  async publish(subject: string, payload: string | Uint8Array, messageId?: string): Promise<number> {
    const written = headers()
    if (messageId !== undefined) written.set("Nats-Msg-Id", messageId)
    const reply = await this.client.request(subject, payload, { headers: written, timeout: 5_000 })
    const answer = reply.json<Answer & { readonly seq: number; readonly duplicate?: boolean }>()
    if (answer.error !== undefined) throw new Error(answer.error.description)
    if (answer.duplicate === true) throw new Error(`the broker dropped ${messageId} as a duplicate`)
    return answer.seq
  }

  async state(stream: string, subjectsFilter?: string): Promise<StreamState> {
    const body = subjectsFilter === undefined ? {} : { subjects_filter: subjectsFilter }
    const info = await this.api<{ readonly state: StreamState }>(`STREAM.INFO.${stream}`, body)
    if (info === undefined) throw new Error(`no stream ${stream}`)
    return info.state
  }

  /** Returns the keys of the journal that match a filter like `rejected.>`, each with the number of its values. */
  async keys(filter: string): Promise<Readonly<Record<string, number>>> {
    const { subjects = {} } = await this.state(journalStream, journalPrefix + filter)
    return Object.fromEntries(Object.entries(subjects).map(([key, count]) => [key.slice(journalPrefix.length), count]))
  }

  /** Returns the newest value of a key of the journal, parsed from JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test checks the values that it reads
  async value(key: string): Promise<any> {
    const query = { last_by_subj: journalPrefix + key }
    const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${journalStream}`, query)
    return found && JSON.parse(textOf(found))
  }

  /** Returns the newest message of a stream whose subject matches a filter; `undefined` if no message matches. */
  async lastRecord(stream: string, filter: string): Promise<StreamRecord | undefined> {
    const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${stream}`, { last_by_subj: filter })
    return found && recordOf(found)
  }

  /** Returns the messages of a stream whose subjects match a filter, oldest first. */
  async records(stream: string, filter: string): Promise<ReadonlyArray<StreamRecord>> {
    const records: Array<StreamRecord> = []
    for (let from = 1; ;) {
      const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${stream}`, { seq: from, next_by_subj: filter })
      if (found === undefined) return records
      records.push(recordOf(found))
      from = found.message.seq + 1
    }
  }

  /** Returns a message of the input log, parsed from JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test checks the values that it reads
  async input(sequence: number): Promise<any> {
    const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${inputStream}`, { seq: sequence })
    return found && JSON.parse(textOf(found))
  }

  /** Returns the commits and take-over records in the chain of a partition, oldest first. */
  async commits(partition: number): Promise<ReadonlyArray<StoredCommit>> {
    const commits: Array<StoredCommit> = []
    for (let from = 1; ;) {
      const query = { seq: from, next_by_subj: commitSubject(partition) }
      const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${journalStream}`, query)
      if (found === undefined) return commits
      const text = textOf(found)
      commits.push({ ...headOf(text), sequence: found.message.seq, lines: revisionLinesOf(text) })
      from = found.message.seq + 1
    }
  }

  /** Returns the epochs of a partition: the sequences of its take-over records, oldest first. */
  async epochs(partition: number): Promise<ReadonlyArray<number>> {
    const commits = await this.commits(partition)
    return commits.filter(({ kind }) => kind === "takeover").map(({ sequence }) => sequence)
  }

  /** Returns all positions that a partition has had, oldest first. */
  async positions(partition: number): Promise<ReadonlyArray<number>> {
    return (await this.commits(partition)).map(({ position }) => position)
  }

  async position(partition: number): Promise<number> {
    const query = { last_by_subj: commitSubject(partition) }
    const newest = await this.api<StoredMessage>(`STREAM.MSG.GET.${journalStream}`, query)
    return newest === undefined ? 0 : headOf(textOf(newest)).position
  }

  /** Returns the newest input sequence of a partition; 0 if the partition has no input. */
  async newestInput(partition: number): Promise<number> {
    const query = { last_by_subj: `purchases.${partition}.*` }
    return (await this.api<StoredMessage>(`STREAM.MSG.GET.${inputStream}`, query))?.message.seq ?? 0
  }

  /** Returns all revisions of an account, oldest first. */
  async account(userToken: string): Promise<ReadonlyArray<Revision>> {
    const commits = await this.commits(partitionOf(userToken, this.partitions))
    const lines = commits.flatMap((commit) => commit.lines)
    return lines.filter((line) => tokenOfLine(line) === userToken).map(decodeRevision)
  }

  /** Returns the number of revisions of an account. */
  async revisions(userToken: string): Promise<number> {
    return (await this.account(userToken)).length
  }

  /** Waits until all input of all partitions is applied. */
  async untilApplied(withinMilliseconds?: number): Promise<void> {
    for (let partition = 0; partition < this.partitions; partition += 1) {
      const wanted = await this.newestInput(partition)
      const isThere = async () => (await this.position(partition)) >= wanted
      await until(`partition ${partition} is applied up to ${wanted}`, isThere, withinMilliseconds)
    }
  }

  async consumers(): Promise<ReadonlyArray<ConsumerInfo>> {
    const list = await this.api<{ readonly consumers: ReadonlyArray<ConsumerInfo> }>(`CONSUMER.LIST.${inputStream}`)
    return list?.consumers ?? []
  }
}
