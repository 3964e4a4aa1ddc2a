/** A message of the input log that is in hand: the worker has received the message, and has not wholly committed it. */
export interface InputMessage<Tag> {
  readonly sequence: number
  /** A value that the receiver keeps with the message. */
  readonly tag: Tag
  /**
   * The number of parts of the message that are in no commit yet. The purchases of one user in a message are one part.
   * All unreadable entries of a message are one more part.
   */
  remaining: number
}

/**
 * The least number of finished messages that are removed from the list at once, so that the rest of the list moves
 * seldom.
 */
const droppedTogetherMin = 32

/**
 * Tracks which messages of a partition's input are applied. Messages are added in the order of the input log. The parts
 * of messages finish in any order. The position is the sequence of the last message before the first message with
 * unfinished parts.
 */
export class InputProgress<Tag> {
  private readonly inHand: Array<InputMessage<Tag>> = []
  private head = 0
  private reached: number

  constructor(position: number) {
    this.reached = position
  }

  /** The input sequence up to which all messages of the partition are in commits. */
  get position(): number {
    return this.reached
  }

  /** The number of messages in hand. */
  get size(): number {
    return this.inHand.length - this.head
  }

  /** Adds the next message, which has `parts` parts. */
  receive(sequence: number, parts: number, tag: Tag): InputMessage<Tag> {
    const message = { sequence, tag, remaining: parts }
    this.inHand.push(message)
    return message
  }

  /** Moves the position over the finished messages, and returns these messages. */
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
