import { userTokenOfInput } from "../protocol/Subject.ts"
import { sortDelivery } from "../partition/SortedDelivery.ts"
import type { AuditedIds } from "./AuditedIds.ts"
import { type AuditedUsers, type AuditSlice, isInSlice, partitionOfUser } from "./AuditedUsers.ts"
import { InputRequests, type UnappliedRequest } from "./InputRequests.ts"
import { placeOf, placeText, sequenceOfPlace } from "./InputPlace.ts"

/** About the bytes in memory of the place of a rejected record. */
const rejectedBytes = 48
/**
 * The most messages behind the position of a partition whose requests are kept. A worker holds fewer messages, so no
 * entry is of a message behind these.
 */
const messagesAheadMax = 4_096
/** The fewest bytes of a request in a message, by which the room for a message's requests is estimated. */
const requestBytesMin = 32

/** A message of a stream, as a consumer delivered it. */
export interface StreamRecord {
  readonly subject: string
  readonly sequence: number
  readonly storedAt: number
  readonly payload: Uint8Array
}

/** A request that the position of its partition has passed without a trace. */
export interface LostRequest {
  readonly place: number
  readonly partition: number
  /** Whether the id of the request was applied before, with another content. */
  readonly isConflict: boolean
}

/** The requests of the followed users in the input log, and the places of all rejected records. */
export class InputAudit {
  readonly requests = new InputRequests()
  private readonly users: AuditedUsers
  private readonly positions: ReadonlyArray<number>
  private readonly rejected = new Set<number>()
  /** The number of messages behind the position, and the last message whose requests are kept, of each partition. */
  private readonly ahead: ReadonlyArray<{ messages: number; through: number }>

  /** `positions` has the position of each partition. */
  constructor(users: AuditedUsers, positions: ReadonlyArray<number>) {
    this.users = users
    this.positions = positions
    this.ahead = positions.map(() => ({ messages: 0, through: Number.POSITIVE_INFINITY }))
  }

  /** Returns the bytes of the tables after a message of `payloadBytes` bytes. */
  bytesWith(payloadBytes: number): number {
    return this.requests.bytesWith(Math.ceil(payloadBytes / requestBytesMin)) + rejectedBytes * this.rejected.size
  }

  /** Takes the next message of the input log. */
  take(slice: AuditSlice, { subject, sequence, storedAt, payload }: StreamRecord): void {
    const { users, requests } = this
    requests.read(sequence)
    const partition = Number(subject.split(".")[1])
    const ahead = this.ahead[partition]
    if (ahead === undefined) return
    if (sequence > (this.positions[partition] as number)) {
      if (sequence > ahead.through) return
      ahead.messages += 1
      if (ahead.messages > messagesAheadMax) {
        ahead.through = sequence - 1
        return
      }
    }
    const delivery = { payload, sequence, storedAt, userToken: userTokenOfInput(subject) }
    const { byUser, unreadable } = sortDelivery(delivery, { partition, partitions: users.partitions })
    // The table is searched by places, so its requests have to be in their order.
    const taken = byUser.flatMap(({ userToken, deliveries }) => {
      const user = users.numberOf(userToken)
      return isInSlice(slice, user) ? deliveries.map((delivered) => ({ userToken, user, delivered })) : []
    })
    const parts = unreadable.flatMap(({ index }) => {
      const place = placeOf(sequence, index)
      const user = users.numberIn(partition, placeText(place))
      return isInSlice(slice, user) ? [{ user, index, place }] : []
    })
    if (byUser.length > 1) taken.sort((one, other) => one.delivered.inputIndex - other.delivered.inputIndex)
    for (const { userToken, user, delivered } of taken) {
      while (parts[0] !== undefined && parts[0].index < delivered.inputIndex) this.takeUnreadable(parts.shift())
      requests.add(users, user, userToken, delivered)
    }
    for (const part of parts) this.takeUnreadable(part)
  }

  private takeUnreadable(part: { readonly user: number; readonly place: number } | undefined): void {
    if (part !== undefined) this.requests.addUnreadable(part.user, part.place)
  }

  /** Takes note of a rejected record of the request with an index in a message. */
  takeRejected(inputSequence: number, index: number): void {
    if (this.requests.wasRead(inputSequence)) this.rejected.add(placeOf(inputSequence, index))
  }

  /** Returns whether the requests of a message of a partition are in the table. */
  hasRequests(partition: number, inputSequence: number): boolean {
    return this.requests.wasRead(inputSequence) && inputSequence <= (this.ahead[partition]?.through ?? 0)
  }

  /** Calls `take` with each request that its partition has passed without an entry, a repeat, or a rejected record. */
  forEachLost(ids: AuditedIds, take: (lost: LostRequest) => void): void {
    this.requests.forEachUnapplied((request) => {
      const { user, place } = request
      const partition = partitionOfUser(user)
      if (sequenceOfPlace(place) > (this.positions[partition] as number) || this.rejected.has(place)) return
      const outcome = outcomeOf(ids, request)
      if (outcome !== "repeat") take({ place, partition, isConflict: outcome === "conflict" })
    })
  }

  /** Forgets the requests of users outside of a slice. */
  retain(slice: AuditSlice): void {
    this.requests.retain(slice)
  }
}

/** Returns whether a request repeats an entry of an earlier place, conflicts with one, or has no such entry. */
const outcomeOf = (
  ids: AuditedIds,
  { user, one, two, place, fingerprint, isUnreadable }: UnappliedRequest
): "repeat" | "conflict" | "lost" => {
  const slot = isUnreadable ? -1 : ids.find(user, one, two)
  if (slot < 0 || ids.placeAt(slot) > place) return "lost"
  return ids.fingerprintAt(slot) === fingerprint ? "repeat" : "conflict"
}
