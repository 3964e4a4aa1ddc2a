/** The broker's side of the model: the stored part of the ledger, the alerts, and writes in flight without a sender. */
import { type AlertMessage, perUser, type PerUser, type Script } from "./Ledger.ts"

/**
 * A place between two messages of alerts. All entries up to `through` are judged. `messages` counts the messages of the
 * next entry that are written.
 */
export interface Place {
  readonly through: number
  readonly messages: number
}

/**
 * The newest value of `position.<shard>`. `rewinds` counts how often the position did not advance, so that two
 * positions are equal only if they are the same message.
 */
export interface Position {
  readonly place: Place
  readonly rewinds: number
}

/** A message, or an atomic batch: messages of alerts, and the next position. */
export interface Write {
  readonly shard: number
  readonly alerts: ReadonlyArray<AlertMessage>
  /** The position to write; `undefined` in a write without it. */
  readonly place: Place | undefined
  /** Whether the broker compares the newest position with `expected`. The first write expects `undefined`. */
  readonly isConditional: boolean
  readonly expected: Position | undefined
}

export interface Shared {
  /** The number of entries of the script that the ledger has stored. */
  readonly stored: number
  /** The positions, by shard. */
  readonly positions: ReadonlyArray<Position | undefined>
  /** The messages of each owner, oldest first. */
  readonly alerts: PerUser<ReadonlyArray<AlertMessage>>
  /** The writes in flight whose sender no longer waits. */
  readonly late: ReadonlyArray<Write>
  readonly faultsLeft: number
}

export const isSamePosition = (one: Position | undefined, other: Position | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

/** Returns a negative number if a place is before another one, and 0 if they are equal. */
export const comparePlaces = (one: Place, other: Place): number =>
  one.through - other.through || one.messages - other.messages

export const isAccepted = ({ positions }: Shared, { shard, isConditional, expected }: Write): boolean =>
  !isConditional || isSamePosition(positions[shard], expected)

/** Stores a write. The caller has checked its condition. Writes in flight that can never be stored are dropped. */
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

/** Bounds the writes in flight without a waiting sender: one of each judge, and one more. */
const lateMax = 3

/** Leaves a write in flight. It may arrive late or never. */
export const leftOnItsWay = (shared: Shared, write: Write | undefined): Shared =>
  write === undefined || !isAccepted(shared, write) || shared.late.length >= lateMax
    ? shared
    : { ...shared, late: [...shared.late, write] }

export const isFinished = (script: Script, { stored, positions }: Shared): boolean =>
  stored === script.length && positions.every((position) => position?.place.through === script.length)
