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

export interface MemoryStreamOptions {
  /** The most messages that the stream keeps of one subject. The stream removes older messages. */
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

  constructor(options: MemoryStreamOptions) {
    this.options = options
  }

  /**
   * Stores a message. Returns its sequence. Returns a failure if `after` is given and is not the last sequence of the
   * subject.
   */
  append(subject: string, payload: Payload, after?: number): number | ApiFailure {
    const ofSubject = this.subjects.get(subject) ?? []
    const last = ofSubject.at(-1)?.sequence ?? 0
    if (after !== undefined && after !== last) return new ApiFailure(wrongLastSequence, `wrong last sequence: ${last}`)
    this.subjects.set(subject, ofSubject)
    this.lastSequence += 1
    const message = { sequence: this.lastSequence, subject, payload, storedAt: this.options.now() }
    ofSubject.push(message)
    this.messages.set(message.sequence, message)
    if (ofSubject.length > this.options.perSubjectMax) this.remove(subject, ofSubject.length - 1)
    this.onStored?.(message)
    return message.sequence
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

  /** Removes the oldest messages of a subject. */
  private remove(subject: string, count: number): void {
    const ofSubject = this.subjects.get(subject) ?? []
    for (const { sequence } of ofSubject.splice(0, count)) this.messages.delete(sequence)
    if (ofSubject.length === 0) this.subjects.delete(subject)
  }
}
