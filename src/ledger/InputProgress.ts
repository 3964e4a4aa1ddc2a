/** A message of the input log that is in hand: received, and not yet wholly committed. */
export interface InputMessage<Tag> {
  readonly sequence: number
  readonly tag: Tag
  /** How many parts of it (one a user, one for what is unreadable) no commit holds yet. */
  remaining: number
}

/** While others are in hand, at least so many finished messages are dropped together, so that the rest is moved seldom. */
const droppedTogetherMin = 32

/**
 * Which input of a partition is applied. Messages enter in the order of the log, and their parts are finished in any
 * order; the position is the last message before the first that has unfinished parts.
 */
export class InputProgress<Tag> {
  private readonly inHand: Array<InputMessage<Tag>> = []
  private head = 0
  private reached: number

  constructor(position: number) {
    this.reached = position
  }

  /** The input sequence up to which everything is in a commit. */
  get position(): number {
    return this.reached
  }

  get size(): number {
    return this.inHand.length - this.head
  }

  receive(sequence: number, parts: number, tag: Tag): InputMessage<Tag> {
    const message = { sequence, tag, remaining: parts }
    this.inHand.push(message)
    return message
  }

  /** Moves the position over the messages that are finished now, and answers them. */
  advance(): ReadonlyArray<InputMessage<Tag>> {
    const finished: Array<InputMessage<Tag>> = []
    for (let message = this.inHand[this.head]; message?.remaining === 0; message = this.inHand[this.head]) {
      finished.push(message)
      this.reached = message.sequence
      this.head += 1
    }
    const isIdle = this.head === this.inHand.length
    if (isIdle || (this.head >= droppedTogetherMin && this.head * 2 > this.inHand.length)) {
      this.inHand.splice(0, this.head)
      this.head = 0
    }
    return finished
  }
}
