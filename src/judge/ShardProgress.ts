import type { AlertPosition } from "../protocol/AlertPosition.ts"

/** A message of the journal that was judged. */
interface JudgedMessage {
  readonly sequence: number
  /** The time at which the broker stored the message, in milliseconds since 1970. */
  readonly storedAt: number
  /** The number of messages that the journal has behind this message. */
  readonly pending: number
}

/**
 * Holds how far this judge is in one shard, for metrics and for people. All times are in milliseconds since 1970, by
 * the clock of the judge's process.
 */
export class ShardProgress {
  private readonly now: () => number
  private newest: JudgedMessage = { sequence: 0, storedAt: 0, pending: 0 }
  /** Whether the alerts of everything in the journal are stored, as far as this process knows. */
  private isComplete = false
  /** The time at which the alerts of the whole journal were last known to be stored, or at which this process began. */
  private completeAt: number
  /**
   * The time at which the broker stored the oldest message whose alerts are not stored; `undefined` if no message is
   * being judged.
   */
  private oldest: number | undefined
  private rulesInForce = 0

  constructor(now: () => number) {
    this.now = now
    this.completeAt = now()
  }

  /** The number of rules that are in force. */
  get rules(): number {
    return this.rulesInForce
  }

  /** Returns the age of the oldest message of the journal whose alerts are not stored; 0 if all alerts are stored. */
  lagMilliseconds(): number {
    return this.isComplete ? 0 : Math.max(0, this.now() - (this.oldest ?? this.completeAt))
  }

  /** Takes note that no user has ever had a rule, so nothing has to be judged. */
  nothingToJudge(): void {
    this.isComplete = true
  }

  /** Takes note that a run begins to read the rules and the journal. */
  begun(): void {
    this.leaveComplete()
    this.oldest = undefined
  }

  /**
   * Takes note that the run reads the journal. `pending` is the number of messages behind the start of the run, and
   * `rules` the number of rules in force.
   */
  reading(pending: number, rules: number): void {
    this.rulesInForce = rules
    this.isComplete = pending === 0
  }

  /** Takes note that a message of the journal is being judged. */
  judging({ storedAt }: JudgedMessage): void {
    this.leaveComplete()
    this.oldest ??= storedAt
  }

  /** Takes note that a message is judged, and that its alerts wait to be stored. */
  judged(message: JudgedMessage, rules: number): void {
    this.newest = message
    this.rulesInForce = rules
  }

  /** Takes note that a position of the shard is stored. */
  stored({ through }: AlertPosition): void {
    const { sequence, pending, storedAt } = this.newest
    this.isComplete = through >= sequence && pending === 0
    this.oldest = this.isComplete ? undefined : storedAt
  }

  /** Takes note that the run of the shard is over. */
  over(): void {
    this.leaveComplete()
  }

  private leaveComplete(): void {
    if (this.isComplete) this.completeAt = this.now()
    this.isComplete = false
  }
}
