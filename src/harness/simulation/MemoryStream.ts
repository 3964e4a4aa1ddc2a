/** An error of the broker's API: `err_code` and description. */
export class ApiFailure {
  readonly code: number
  readonly reason: string

  constructor(code: number, reason: string) {
    this.code = code
    this.reason = reason
  }
}

export const wrongLastSequence = 10_071

export interface StreamMessage<Payload> {
  readonly sequence: number
  readonly subject: string
  readonly payload: Payload
  readonly storedAt: number
}

/** A message as its writer gives it. */
interface WrittenMessage<Payload> {
  readonly subject: string
  readonly payload: Payload
}

export interface MemoryStreamOptions {
  /**
   * The most messages that the stream keeps of one subject. The stream removes the oldest messages beyond this number.
   */
  readonly perSubjectMax: number
  /** The broker's clock, in milliseconds. */
  readonly now: () => number
}

/** A stream of messages under subjects, in memory, with the conditions that the broker checks. */
export class MemoryStream<Payload> {
  private readonly options: MemoryStreamOptions
  /** The messages by subject, oldest first. */
  private readonly subjects = new Map<string, Array<StreamMessage<Payload>>>()
  private readonly messages = new Map<number, StreamMessage<Payload>>()
  private lastSequence = 0
  /** Called with each message that is stored. */
  onStored: ((message: StreamMessage<Payload>) => void) | undefined
  /** Called after each write, for readers that wait for messages. */
  readonly waiting = new Set<() => void>()

  constructor(options: MemoryStreamOptions) {
    this.options = options
  }

  /** The sequence of the newest message that was ever stored; 0 if no message was ever stored. */
  get last(): number {
    return this.lastSequence
  }

  /**
   * Stores a message. Returns its sequence. Returns a failure if `after` is given and is not the last sequence of the
   * subject.
   */
  append(subject: string, payload: Payload, after?: number): number | ApiFailure {
    return this.appendBatch([], { subject, payload }, after)
  }

  /**
   * Stores all messages of a batch and its last message, or stores nothing. Returns the sequence of the last message.
   * Returns a failure if `after` is given and is not the last sequence of the last message's subject.
   */
  appendBatch(
    messages: ReadonlyArray<WrittenMessage<Payload>>,
    last: WrittenMessage<Payload>,
    after?: number
  ): number | ApiFailure {
    const newest = this.newest(last.subject)?.sequence ?? 0
    if (after !== undefined && after !== newest) {
      return new ApiFailure(wrongLastSequence, `wrong last sequence: ${newest}`)
    }
    for (const message of [...messages, last]) this.store(message)
    for (const serve of this.waiting) serve()
    return this.lastSequence
  }

  newest(subject: string): StreamMessage<Payload> | undefined {
    return this.subjects.get(subject)?.at(-1)
  }

  /** Returns the first message of a subject at or after a sequence. */
  next(subject: string, from: number): StreamMessage<Payload> | undefined {
    return this.subjects.get(subject)?.find(({ sequence }) => sequence >= from)
  }

  at(sequence: number): StreamMessage<Payload> | undefined {
    return this.messages.get(sequence)
  }

  /** Returns the messages of all subjects with a prefix, oldest first. */
  allOf(subjectPrefix: string): ReadonlyArray<StreamMessage<Payload>> {
    return [...this.messages.values()].filter(({ subject }) => subject.startsWith(subjectPrefix))
  }

  /** Removes the messages below a sequence, of all subjects with a prefix. */
  purgeBelow(subjectPrefix: string, sequence: number): void {
    for (const [subject, ofSubject] of this.subjects) {
      if (!subject.startsWith(subjectPrefix)) continue
      const kept = ofSubject.findIndex((message) => message.sequence >= sequence)
      this.remove(subject, kept < 0 ? ofSubject.length : kept)
    }
  }

  private store({ subject, payload }: WrittenMessage<Payload>): void {
    const ofSubject = this.subjects.get(subject) ?? []
    this.subjects.set(subject, ofSubject)
    this.lastSequence += 1
    const message = { sequence: this.lastSequence, subject, payload, storedAt: this.options.now() }
    ofSubject.push(message)
    this.messages.set(message.sequence, message)
    if (ofSubject.length > this.options.perSubjectMax) this.remove(subject, ofSubject.length - 1)
    this.onStored?.(message)
  }

  /** Removes the oldest messages of a subject. */
  private remove(subject: string, count: number): void {
    const ofSubject = this.subjects.get(subject) ?? []
    for (const { sequence } of ofSubject.splice(0, count)) this.messages.delete(sequence)
    if (ofSubject.length === 0) this.subjects.delete(subject)
  }
}
