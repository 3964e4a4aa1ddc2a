import { Effect, Schema } from "effect"
import type { Revision } from "../account/Revision.ts"
import type { CommitChain } from "../nats/CommitChain.ts"
import { revisionOfUser } from "../nats/CommitStream.ts"
import { type BrokerFailure, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { decodeRevision } from "../protocol/RevisionCodec.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { Alert } from "../rules/Alert.ts"
import { type Judgement, type PlacedRevision, revisionBefore } from "../rules/Judgement.ts"
import { walkAll } from "../rules/RevisionWalk.ts"
import { UserWindows } from "../rules/UserWindows.ts"
import type { WindowBounds } from "../rules/WindowWalk.ts"

/** The most earlier revisions of one account that are read for one window. */
export const windowRevisionsMax = 100_000
/**
 * The most purchases in the window states of a back-test. Above this number of purchases, the states of the longest
 * unused users are dropped, and are read again when they are needed.
 */
const windowEntriesMax = 1_000_000
/** The memory that a user takes besides the purchases in the window states, as a number of purchases. */
const userEntries = 4

/** Fails a back-test, because a window of the rule has more than {@link windowRevisionsMax} revisions. */
export class WindowTooLong extends Schema.TaggedError<WindowTooLong>()("WindowTooLong", { userId: Schema.String }) {
  override get message() {
    return `the window of the rule has more than ${windowRevisionsMax} revisions of user ${this.userId}`
  }
}

const missing = (sequence: number) =>
  new BrokerUnavailable({ operation: "read the journal", reason: `the revision at ${sequence} is missing` })

/** The window states of a back-test. Each window state is read from the earlier revisions of its account. */
export class BackTestWindows {
  /** The number of revisions that were read for window states since the caller set this number to 0. */
  revisionsRead = 0
  private readonly chain: Pick<(typeof CommitChain)["Service"], "at">
  private readonly judgement: Judgement
  private readonly bounds: WindowBounds
  // A `Map` keeps the order in which its keys were set, so the longest unused user comes first.
  private readonly byUser = new Map<string, UserWindows>()
  private entries = 0

  constructor(chain: Pick<(typeof CommitChain)["Service"], "at">, judgement: Judgement, bounds: WindowBounds) {
    this.chain = chain
    this.judgement = judgement
    this.bounds = bounds
  }

  /** Returns the windows of a user, with every window state that is needed to judge a revision. */
  readonly ready = Effect.fnUntraced(
    { self: this },
    function* (
      this: BackTestWindows,
      placed: PlacedRevision
    ): Effect.fn.Return<UserWindows, BrokerFailure | WindowTooLong> {
      const windows = this.windowsOf(placed)
      const needs = this.judgement.windowsNeeded(placed)
      if (windows.has(needs)) return windows
      const before = windows.room
      yield* walkAll(
        () => windows.walks(needs, placed.revision.previous),
        () => this.readerOf(placed.userId)
      )
      this.entries += windows.room - before
      return windows
    }
  )

  /** Returns the alerts of a revision, and adds the purchases of the revision to the window states. */
  readonly judge = Effect.fnUntraced(
    { self: this },
    function* (
      this: BackTestWindows,
      placed: PlacedRevision
    ): Effect.fn.Return<ReadonlyArray<Alert>, BrokerFailure | WindowTooLong> {
      const windows = yield* this.ready(placed)
      this.entries -= windows.room
      const alerts = this.judgement.judge(placed, windows)
      this.entries += windows.room
      return alerts
    }
  )

  /**
   * Drops the window states of the longest unused users until the window states have at most {@link windowEntriesMax}
   * purchases.
   */
  forget(): void {
    for (const [userId, { room }] of this.byUser) {
      if (this.entries <= windowEntriesMax) return
      this.byUser.delete(userId)
      this.entries -= room + userEntries
    }
  }

  private windowsOf(placed: PlacedRevision): UserWindows {
    const found = this.byUser.get(placed.userId)
    this.byUser.delete(placed.userId)
    const isCurrent = found?.through === revisionBefore(placed)
    const windows = isCurrent ? found : new UserWindows(revisionBefore(placed), this.bounds)
    if (!isCurrent) this.entries -= found === undefined ? -userEntries : found.room
    this.byUser.set(placed.userId, windows)
    return windows
  }

  /** Returns a reader of the revisions of a user, which reads at most {@link windowRevisionsMax} revisions. */
  private readerOf(userId: string) {
    const userToken = encodeToken(userId)
    let read = 0
    return (sequence: number): Effect.Effect<Revision, BrokerFailure | WindowTooLong> => {
      read += 1
      return read > windowRevisionsMax
        ? Effect.fail(new WindowTooLong({ userId }))
        : this.revisionAt(userToken, sequence)
    }
  }

  private readonly revisionAt = Effect.fnUntraced(
    { self: this },
    function* (this: BackTestWindows, userToken: string, sequence: number) {
      const commit = yield* this.chain.at(sequence)
      const found = commit && revisionOfUser(commit, userToken)
      if (found === undefined) return yield* missing(sequence)
      this.revisionsRead += 1
      return decodeRevision(found.text)
    }
  )
}
