import { connect, type ConsumerInfo, headers, type NatsConnection } from "nats"
import { accountKey, inputStream, ledgerPrefix, ledgerStream, positionKey } from "../../src/domain/Subject.ts"
import { until } from "./TestBroker.ts"

interface Answer {
  readonly error?: { readonly err_code: number; readonly description: string }
}

interface StoredMessage {
  readonly message: { readonly seq: number; readonly data?: string }
}

export interface StreamState {
  readonly messages: number
  readonly first_seq: number
  readonly last_seq: number
  readonly num_subjects: number
  readonly subjects?: Readonly<Record<string, number>>
}

const messageNotFound = 10_037

/** What a test does and sees on the broker past the system under test. */
export class BrokerAdmin {
  private readonly client: NatsConnection
  private readonly partitions: number

  private constructor(client: NatsConnection, partitions: number) {
    this.client = client
    this.partitions = partitions
  }

  static async open(url: string, partitions: number): Promise<BrokerAdmin> {
    return new BrokerAdmin(
      await connect({ servers: url.split(","), maxReconnectAttempts: -1, reconnectTimeWait: 50 }),
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

  /** Stores a message, and answers its sequence. */
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

  /** How many values each key of the ledger has that matches a filter like `rejected.>`. */
  async keys(filter: string): Promise<Readonly<Record<string, number>>> {
    const { subjects = {} } = await this.state(ledgerStream, ledgerPrefix + filter)
    return Object.fromEntries(Object.entries(subjects).map(([key, count]) => [key.slice(ledgerPrefix.length), count]))
  }

  /** The newest value of a key of the ledger, as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test reads is checked by what it expects
  async value(key: string): Promise<any> {
    const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${ledgerStream}`, { last_by_subj: ledgerPrefix + key })
    return found && JSON.parse(Buffer.from(found.message.data ?? "", "base64").toString("utf8"))
  }

  /** A message of the input log, as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test reads is checked by what it expects
  async input(sequence: number): Promise<any> {
    const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${inputStream}`, { seq: sequence })
    return found && JSON.parse(Buffer.from(found.message.data ?? "", "base64").toString("utf8"))
  }

  /** All values that a key of the ledger has had, oldest first, as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test reads is checked by what it expects
  async history(key: string): Promise<ReadonlyArray<any>> {
    const values: Array<unknown> = []
    for (let from = 1; ;) {
      const query = { seq: from, next_by_subj: ledgerPrefix + key }
      const found = await this.api<StoredMessage>(`STREAM.MSG.GET.${ledgerStream}`, query)
      if (found === undefined) return values
      values.push(JSON.parse(Buffer.from(found.message.data ?? "", "base64").toString("utf8")))
      from = found.message.seq + 1
    }
  }

  /** All positions that a partition has had, oldest first. */
  async positions(partition: number): Promise<ReadonlyArray<number>> {
    return (await this.history(positionKey(partition))).map(({ position }) => position)
  }

  async position(partition: number): Promise<number> {
    return (await this.value(positionKey(partition)))?.position ?? 0
  }

  /** The newest input sequence of a partition, 0 when there is none. */
  async newestInput(partition: number): Promise<number> {
    const query = { last_by_subj: `purchases.${partition}.*` }
    return (await this.api<StoredMessage>(`STREAM.MSG.GET.${inputStream}`, query))?.message.seq ?? 0
  }

  /** How many revisions an account has. */
  async revisions(userToken: string): Promise<number> {
    return (await this.keys(accountKey(userToken)))[accountKey(userToken)] ?? 0
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
