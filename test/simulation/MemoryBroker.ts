import { encodeToken, ownerKey, partitionOf } from "../../src/domain/Subject.ts"
import type { Write } from "../../src/nats/LedgerBucket.ts"

export interface InputMessage {
  readonly sequence: number
  readonly partition: number
  readonly subject: string
  readonly payload: Uint8Array
  readonly storedAt: number
}

export interface LedgerMessage {
  readonly sequence: number
  readonly key: string
  readonly value: string
  readonly storedAt: number
}

interface Consumer {
  readonly partition: number
  readonly epoch: number
  /** The next input sequence to deliver. */
  next: number
  /** The number of the last delivery. */
  delivered: number
  readonly unacknowledged: Map<number, InputMessage>
}

export interface MemoryBrokerOptions {
  readonly partitions: number
  readonly duplicateWindow: number
  readonly messageBytesMax: number
  /** The broker's clock, in milliseconds. */
  readonly now: () => number
}

/** What the broker answers to a batch. */
export type CommitResult =
  | { readonly kind: "committed"; readonly first: number }
  | { readonly kind: "conflict"; readonly reason: string }
  | { readonly kind: "refused"; readonly code: number; readonly reason: string }

const batchMessagesMax = 1_000

/**
 * What a broker keeps, and its rules, in memory and at once: whoever puts a network in front of it decides when a
 * request arrives and whether its answer does. The contract tests hold it against the real server.
 */
export class MemoryBroker {
  readonly options: MemoryBrokerOptions
  readonly input: Array<InputMessage> = []
  readonly ledger: Array<LedgerMessage> = []
  private readonly newest = new Map<string, LedgerMessage>()
  private readonly messageIds = new Map<string, { readonly sequence: number; readonly at: number }>()
  private readonly consumers = new Map<string, Consumer>()
  readonly signs = new Map<
    string,
    { readonly instance: number; readonly storedAt: number; readonly isLeaving: boolean }
  >()
  private signSequence = 0
  private inputSequence = 0
  private ledgerSequence = 0
  /** Told of each new input message, so that waiting pulls are served. */
  onInput: (() => void) | undefined

  constructor(options: MemoryBrokerOptions) {
    this.options = options
  }

  // The input log.

  append(subject: string, messageId: string, payload: string): { sequence: number; duplicate: boolean } | undefined {
    const parts = subject.split(".")
    const user = parts.length === 2 ? parts[1] : undefined
    const partition = user === undefined ? Number(parts[1]) : partitionOf(user, this.options.partitions)
    if (!(partition < this.options.partitions)) return undefined
    const known = this.messageIds.get(messageId)
    if (known !== undefined && this.options.now() - known.at < this.options.duplicateWindow) {
      return { sequence: known.sequence, duplicate: true }
    }
    this.inputSequence += 1
    const sequence = this.inputSequence
    this.messageIds.set(messageId, { sequence, at: this.options.now() })
    this.input.push({
      sequence,
      partition,
      subject: user === undefined ? subject : `purchases.${partition}.${user}`,
      payload: Buffer.from(payload),
      storedAt: this.options.now()
    })
    this.onInput?.()
    return { sequence, duplicate: false }
  }

  /** Forgets which message ids it has seen, as after its duplicate window. */
  forgetMessageIds(): void {
    this.messageIds.clear()
  }

  lastInput(partition: number): number {
    return this.input.findLast((message) => message.partition === partition)?.sequence ?? 0
  }

  bounds(): { first: number; last: number } {
    return { first: this.input[0]?.sequence ?? this.inputSequence + 1, last: this.inputSequence }
  }

  inputFrom(sequence: number): InputMessage | undefined {
    return this.input.find((message) => message.sequence >= sequence)
  }

  purgeBelow(sequence: number): void {
    const kept = this.input.filter((message) => message.sequence >= sequence)
    this.input.splice(0, this.input.length, ...kept)
  }

  // The ledger bucket.

  latest(key: string): LedgerMessage | undefined {
    return this.newest.get(key)
  }

  at(sequence: number): LedgerMessage | undefined {
    return this.ledger.find((message) => message.sequence === sequence)
  }

  put(key: string, value: string): number {
    this.ledgerSequence += 1
    const message = { sequence: this.ledgerSequence, key, value, storedAt: this.options.now() }
    this.ledger.push(message)
    this.newest.set(key, message)
    return message.sequence
  }

  commit(writes: ReadonlyArray<Write>): CommitResult {
    if (writes.length > batchMessagesMax) {
      return { kind: "refused", code: 10_199, reason: "atomic publish batch is too large" }
    }
    const written = new Set<string>()
    for (const write of writes) {
      const guarded = write.guard
      if (guarded !== undefined && written.has(guarded.key)) {
        return { kind: "conflict", reason: `the batch writes the guarded key ${guarded.key}` }
      }
      const expected = guarded === undefined ? write.expected : guarded.revision
      const key = guarded === undefined ? write.key : guarded.key
      const last = this.newest.get(key)?.sequence ?? 0
      if (expected !== undefined && (last !== expected || written.has(key))) {
        return { kind: "conflict", reason: `wrong last sequence: ${last} for ${key}` }
      }
      written.add(write.key)
    }
    const first = this.ledgerSequence + 1
    for (const write of writes) this.put(write.key, write.value)
    return { kind: "committed", first }
  }

  forgetHistory(key: string): void {
    const newest = this.newest.get(key)
    const kept = this.ledger.filter((message) => message.key !== key || message === newest)
    this.ledger.splice(0, this.ledger.length, ...kept)
  }

  // Consumers of the input log.

  createConsumer(partition: number, epoch: number, from: number): void {
    this.consumers.set(`p${partition}-${epoch}`, {
      partition,
      epoch,
      next: from,
      delivered: 0,
      unacknowledged: new Map()
    })
  }

  hasConsumer(partition: number, epoch: number): boolean {
    return this.consumers.has(`p${partition}-${epoch}`)
  }

  deleteConsumersBefore(partition: number, epoch: number): void {
    for (const [name, consumer] of this.consumers) {
      if (consumer.partition === partition && consumer.epoch < epoch) this.consumers.delete(name)
    }
  }

  /** The next delivery of a consumer, if there is something to deliver. */
  deliver(partition: number, epoch: number): { message: InputMessage; deliverySequence: number } | undefined {
    const consumer = this.consumers.get(`p${partition}-${epoch}`)
    if (consumer === undefined) return undefined
    const { next } = consumer
    const message = this.input.find((candidate) => candidate.partition === partition && candidate.sequence >= next)
    if (message === undefined) return undefined
    consumer.next = message.sequence + 1
    consumer.delivered += 1
    consumer.unacknowledged.set(message.sequence, message)
    return { message, deliverySequence: consumer.delivered }
  }

  /** Delivers something unacknowledged once more, under a new delivery number. */
  redeliver(partition: number, epoch: number): { message: InputMessage; deliverySequence: number } | undefined {
    const consumer = this.consumers.get(`p${partition}-${epoch}`)
    const message = consumer?.unacknowledged.values().next().value
    if (consumer === undefined || message === undefined) return undefined
    consumer.delivered += 1
    return { message, deliverySequence: consumer.delivered }
  }

  acknowledge(partition: number, epoch: number, sequence: number): void {
    this.consumers.get(`p${partition}-${epoch}`)?.unacknowledged.delete(sequence)
  }

  // Signs of life.

  sign(worker: string, instance: number, isLeaving: boolean): number {
    this.signSequence += 1
    this.signs.set(worker, { instance, storedAt: this.options.now(), isLeaving })
    return this.signSequence
  }

  // What tests look at.

  ownerEpoch(partition: number): number {
    return this.latest(ownerKey(partition))?.sequence ?? 0
  }

  accountOf(userId: string): LedgerMessage | undefined {
    return this.latest(`account.${encodeToken(userId)}`)
  }
}
