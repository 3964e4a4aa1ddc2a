import { partitionOf } from "../../protocol/Subject.ts"
import { ApiFailure, MemoryStream } from "./MemoryStream.ts"

export interface InputMessage {
  readonly sequence: number
  readonly partition: number
  readonly subject: string
  readonly payload: Uint8Array
  readonly storedAt: number
  /** The time that workers get as the `storedAt` of the message. */
  readonly toldStoredAt: number
  readonly noticeTo: string | undefined
}

/**
 * A message of the input log that a consumer delivers, with its number among all messages that the consumer has
 * delivered.
 */
interface Delivered {
  readonly message: InputMessage
  readonly deliverySequence: number
}

interface Consumer {
  readonly partition: number
  readonly epoch: number
  readonly from: number
  readonly unacknowledgedMax: number
  /** The next input sequence to deliver for the first time. */
  next: number
  /** The number of messages that the consumer has delivered. */
  delivered: number
  /** The delivered messages without an acknowledgement, each with the time at which the broker may deliver it again. */
  readonly unacknowledged: Map<number, number>
}

interface Sign {
  readonly instance: number
  readonly storedAt: number
  readonly isLeaving: boolean
}

export interface MemoryBrokerOptions {
  readonly partitions: number
  readonly duplicateWindow: number
  readonly messageBytesMax: number
  readonly inputBytesMax: number
  /** The number of shards of the stream of alerts; 1 if `shards` is missing. */
  readonly shards?: number
  /** The broker's clock, in milliseconds. */
  readonly now: () => number
  /**
   * The clock for the times of purchases; the broker's clock if `purchaseTime` is missing. A run is short, so on the
   * broker's clock no window of a rule would end.
   */
  readonly purchaseTime?: () => number
}

const messageTooLarge = 10_054
const streamFull = 10_077
/**
 * The time after which a message without an acknowledgement is delivered again, in milliseconds. The consumers of the
 * product wait for the same time.
 */
export const ackWaitMilliseconds = 30_000
const workersForgottenAfterMilliseconds = 60_000

const consumerName = (partition: number, epoch: number): string => `p${partition}-${epoch}`

/**
 * A broker in memory, without delays. A simulated network decides when a request arrives, and whether its answer
 * arrives. The contract tests compare this broker with the real server.
 */
export class MemoryBroker {
  readonly options: MemoryBrokerOptions
  private readonly input: Array<InputMessage> = []
  private inputBytes = 0
  private inputSequence = 0
  private readonly messageIds = new Map<string, { readonly sequence: number; readonly at: number }>()
  readonly journal: MemoryStream<string>
  readonly heads: MemoryStream<Uint8Array>
  readonly alerts: MemoryStream<string>
  /**
   * The number of restarts. A consumer of the journal is in the broker's memory, so no such consumer outlives a
   * restart.
   */
  restarts = 0
  private readonly consumers = new Map<string, Consumer>()
  private readonly signs = new Map<string, Sign>()
  private signSequence = 0
  /** Called with each message that the input log stores. */
  onReceived: ((message: InputMessage) => void) | undefined
  /** Called with the message each time that a message of the input log is acknowledged. */
  onAcknowledged: ((message: InputMessage) => void) | undefined

  constructor(options: MemoryBrokerOptions) {
    this.options = options
    const { now } = options
    this.journal = new MemoryStream({ perSubjectMax: Number.POSITIVE_INFINITY, now })
    this.heads = new MemoryStream({ perSubjectMax: 1, now })
    this.alerts = new MemoryStream({ perSubjectMax: Number.POSITIVE_INFINITY, now })
  }

  // The input log.

  /** Stores a message. Returns `undefined` if no stream listens on the subject. */
  append(
    subject: string,
    messageId: string,
    payload: string,
    noticeTo?: string
  ): { readonly sequence: number; readonly duplicate: boolean } | ApiFailure | undefined {
    const { partitions, duplicateWindow, messageBytesMax, inputBytesMax, now, purchaseTime = now } = this.options
    const parts = subject.split(".")
    const user = parts.length === 2 ? parts[1] : undefined
    const partition = user === undefined ? Number(parts[1]) : partitionOf(user, partitions)
    if (!(partition < partitions)) return undefined
    const known = this.messageIds.get(messageId)
    if (known !== undefined && now() - known.at < duplicateWindow) return { sequence: known.sequence, duplicate: true }
    const bytes = Buffer.from(payload)
    if (bytes.length > messageBytesMax) return new ApiFailure(messageTooLarge, "message size exceeds maximum allowed")
    if (this.inputBytes + bytes.length > inputBytesMax) return new ApiFailure(streamFull, "maximum bytes exceeded")
    this.inputSequence += 1
    this.inputBytes += bytes.length
    const sequence = this.inputSequence
    if (messageId !== "") this.messageIds.set(messageId, { sequence, at: now() })
    const stored = user === undefined ? subject : `purchases.${partition}.${user}`
    const message = {
      sequence,
      partition,
      subject: stored,
      payload: bytes,
      storedAt: now(),
      toldStoredAt: purchaseTime(),
      noticeTo
    }
    this.input.push(message)
    this.onReceived?.(message)
    return { sequence, duplicate: false }
  }

  /** Forgets all message ids, as at the end of the duplicate window. */
  forgetMessageIds(): void {
    this.messageIds.clear()
  }

  lastInput(partition: number): number {
    return this.input.findLast((message) => message.partition === partition)?.sequence ?? 0
  }

  bounds(): { readonly first: number; readonly last: number } {
    return { first: this.input[0]?.sequence ?? this.inputSequence + 1, last: this.inputSequence }
  }

  inputFrom(sequence: number): InputMessage | undefined {
    return this.input.find((message) => message.sequence >= sequence)
  }

  purgeBelow(sequence: number): void {
    const first = this.input.findIndex((message) => message.sequence >= sequence)
    for (const { payload } of this.input.splice(0, first < 0 ? this.input.length : first)) {
      this.inputBytes -= payload.length
    }
  }

  // Consumers of the input log.

  /** Makes a consumer. An existing consumer is not changed. */
  createConsumer(partition: number, epoch: number, from: number, unacknowledgedMax: number): void {
    const name = consumerName(partition, epoch)
    if (this.consumers.has(name)) return
    this.consumers.set(name, {
      partition,
      epoch,
      from,
      unacknowledgedMax,
      next: from,
      delivered: 0,
      unacknowledged: new Map()
    })
  }

  hasConsumer(partition: number, epoch: number): boolean {
    return this.consumers.has(consumerName(partition, epoch))
  }

  deleteConsumers(isDeleted: (partition: number, epoch: number) => boolean): void {
    for (const [name, { partition, epoch }] of this.consumers) {
      if (isDeleted(partition, epoch)) this.consumers.delete(name)
    }
  }

  /**
   * Returns the next delivery of a consumer; `undefined` if the consumer has nothing to deliver. Messages to deliver
   * again come first.
   */
  deliver(partition: number, epoch: number): Delivered | undefined {
    const consumer = this.consumers.get(consumerName(partition, epoch))
    if (consumer === undefined) return undefined
    const now = this.options.now()
    for (const [sequence, againAt] of consumer.unacknowledged) {
      if (againAt > now) continue
      const message = this.input.find((candidate) => candidate.sequence === sequence)
      if (message !== undefined) return this.delivered(consumer, message)
      consumer.unacknowledged.delete(sequence)
    }
    if (consumer.unacknowledged.size >= consumer.unacknowledgedMax) return undefined
    const message = this.input.find(
      (candidate) => candidate.partition === partition && candidate.sequence >= consumer.next
    )
    if (message === undefined) return undefined
    consumer.next = message.sequence + 1
    return this.delivered(consumer, message)
  }

  private delivered(consumer: Consumer, message: InputMessage): Delivered {
    consumer.delivered += 1
    consumer.unacknowledged.set(message.sequence, this.options.now() + ackWaitMilliseconds)
    return { message, deliverySequence: consumer.delivered }
  }

  acknowledge(partition: number, epoch: number, sequence: number): void {
    const message = this.input.find((candidate) => candidate.sequence === sequence)
    if (message !== undefined) this.onAcknowledged?.(message)
    this.consumers.get(consumerName(partition, epoch))?.unacknowledged.delete(sequence)
  }

  /** Delivers a message without an acknowledgement again, as after {@link ackWaitMilliseconds}. */
  redeliver(partition: number, epoch: number, sequence?: number): void {
    const waiting = this.consumers.get(consumerName(partition, epoch))?.unacknowledged
    const again = sequence ?? waiting?.keys().next().value
    if (again !== undefined && waiting?.has(again) === true) waiting.set(again, 0)
  }

  // Signs of life.

  sign(worker: string, instance: number, isLeaving: boolean): number {
    this.signSequence += 1
    this.signs.set(worker, { instance, storedAt: this.options.now(), isLeaving })
    return this.signSequence
  }

  /** Returns the newest sign of life of each worker that has not left. */
  livingSigns(): ReadonlyArray<Sign & { readonly worker: string; readonly silentMilliseconds: number }> {
    const now = this.options.now()
    return Array.from(this.signs, ([worker, sign]) => ({
      worker,
      silentMilliseconds: now - sign.storedAt,
      ...sign
    })).filter((sign) => !sign.isLeaving && sign.silentMilliseconds < workersForgottenAfterMilliseconds)
  }

  // Functions for tests.

  /**
   * Restarts the broker. Acknowledged writes are on disk and stay. A broker writes the state of consumers to disk
   * later, so the restart loses some of that state.
   */
  restart(): void {
    this.restarts += 1
    for (const consumer of this.consumers.values()) {
      consumer.next = consumer.from
      consumer.delivered = 0
      consumer.unacknowledged.clear()
    }
  }
}
