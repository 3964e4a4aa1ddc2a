/**
 * The broker in the model of judges: the stored part of the ledger, the alerts, and the writes in flight whose sender
 * no longer waits.
 */
import { type AlertMessage, perUser, type PerUser, type Script } from "./Ledger.ts"

/**
 * A place between two messages of alerts. All entries of the ledger up to `through` are judged. `messages` counts the
 * stored messages of the next entry.
 */
export interface Place {
  readonly through: number
  readonly messages: number
}

/**
 * The newest value of `position.<shard>`. `rewinds` counts the writes that did not advance the position, so that only a
 * position that is the same message is equal.
 */
export interface Position {
  readonly place: Place
  readonly rewinds: number
}

/** A write of a judge: one message, or an atomic batch of messages with alerts and the next position. */
export interface Write {
  readonly shard: number
  readonly alerts: ReadonlyArray<AlertMessage>
  /** The place in the position that the write stores; `undefined` in a write without a position. */
  readonly place: Place | undefined
  /**
   * Whether the broker compares the newest position with `expected`. The first write of a shard expects `undefined`.
   */
  readonly isConditional: boolean
  readonly expected: Position | undefined
}

export interface Shared {
  /** The number of entries of the script that the ledger has stored. */
  readonly stored: number
  /** The newest position of each shard, by the number of the shard. */
  readonly positions: ReadonlyArray<Position | undefined>
  /** The messages with alerts of each owner, oldest first. */
  readonly alerts: PerUser<ReadonlyArray<AlertMessage>>
  /** The writes in flight whose sender no longer waits. */
  readonly late: ReadonlyArray<Write>
  readonly faultsLeft: number
}

export const isSamePosition = (one: Position | undefined, other: Position | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

/** Returns a negative number if the first place is before the other one, and 0 if both places are equal. */
export const comparePlaces = (one: Place, other: Place): number =>
  one.through - other.through || one.messages - other.messages

export const isAccepted = ({ positions }: Shared, { shard, isConditional, expected }: Write): boolean =>
  !isConditional || isSamePosition(positions[shard], expected)

/**
 * Stores a write whose condition the caller has checked. Drops the writes in flight that can never be stored any more.
 */
export const store = (shared: Shared, { shard, alerts, place }: Write): Shared => {
  const before = shared.positions[shard]
  const isRewind = before !== undefined && place !== undefined && comparePlaces(place, before.place) <= 0
  const position = place === undefined ? before : { place, rewinds: (before?.rewinds ?? 0) + (isRewind ? 1 : 0) }
  const after: Shared = {
    ...shared,
    positions: shared.positions.with(shard, position),
    alerts: perUser((owner) => [...shared.alerts[owner], ...alerts.filter((message) => message.owner === owner)])
  }
  return { ...after, late: after.late.filter((write) => isAccepted(after, write)) }
}

/** The most writes in flight whose sender no longer waits: one of each judge, and one more. */
const lateMax = 3

/** Leaves a write in flight, so that the write may arrive late or never. */
export const leftOnItsWay = (shared: Shared, write: Write | undefined): Shared =>
  write === undefined || !isAccepted(shared, write) || shared.late.length >= lateMax
    ? shared
    : { ...shared, late: [...shared.late, write] }

export const isFinished = (script: Script, { stored, positions }: Shared): boolean =>
  stored === script.length && positions.every((position) => position?.place.through === script.length)
