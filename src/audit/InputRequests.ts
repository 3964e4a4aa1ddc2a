import { type Delivered, requestFingerprint, requestSetId } from "../account/Delivered.ts"
import type { AuditedUsers, AuditSlice } from "./AuditedUsers.ts"
import { isInSlice } from "./AuditedUsers.ts"
import { placeOf } from "./InputPlace.ts"

const capacityFirst = 1_024
/** The bytes of a request: three words of the key, quantity, state, place, fingerprint and value. */
const requestBytes = 4 * 4 + 1 + 3 * 8

/** The states of a request. */
const state = { waiting: 0, applied: 1, unreadable: 2 } as const

/** The part of an entry that is compared with its request. */
export interface ComparedEntry {
  readonly user: number
  readonly one: number
  readonly two: number
  readonly place: number
  readonly fingerprint: number
  /** The price of one piece in cents; 0 for a reversal. */
  readonly value: number
  /** The pieces of a purchase, or the pieces that a reversal asks for. */
  readonly quantity: number
}

/** A request of the input log that no entry applied. */
export interface UnappliedRequest {
  readonly user: number
  readonly one: number
  readonly two: number
  readonly place: number
  readonly fingerprint: number
  /** Whether the request cannot be applied, so that it needs a rejected record. */
  readonly isUnreadable: boolean
}

/**
 * The requests of the input log that is still there, of the followed users, in the order of the log. The table holds
 * hashes and numbers, and no texts: 41 bytes a request.
 */
export class InputRequests {
  private size = 0
  private capacity = capacityFirst
  private users = new Uint32Array(capacityFirst)
  private ones = new Uint32Array(capacityFirst)
  private twos = new Uint32Array(capacityFirst)
  private quantities = new Uint32Array(capacityFirst)
  private states = new Uint8Array(capacityFirst)
  private places = new Float64Array(capacityFirst)
  private fingerprints = new Float64Array(capacityFirst)
  private values = new Float64Array(capacityFirst)
  /** The ranges of input sequences that were read without a gap, oldest first. */
  private readonly ranges: Array<{ readonly from: number; to: number }> = []

  /** Returns the bytes of the table after `more` further requests. */
  bytesWith(more: number): number {
    let { capacity } = this
    while (this.size + more > capacity) capacity *= 2
    return requestBytes * capacity
  }

  /** The input sequence of the first message that was read; `undefined` if the input log was empty. */
  get first(): number | undefined {
    return this.ranges[0]?.from
  }

  /** Takes note that a message was read. Messages come in the order of the log, and purged messages are missing. */
  read(inputSequence: number): void {
    const last = this.ranges.at(-1)
    if (last?.to === inputSequence - 1) last.to = inputSequence
    else this.ranges.push({ from: inputSequence, to: inputSequence })
  }

  /** Returns whether a message was read. */
  wasRead(inputSequence: number): boolean {
    return this.ranges.some(({ from, to }) => inputSequence >= from && inputSequence <= to)
  }

  /** Adds a purchase or a reversal of a user. */
  add(users: AuditedUsers, user: number, userToken: string, delivered: Delivered): void {
    const [one, two] = users.hashOfId(userToken, requestSetId(delivered))
    const { purchase, reversal, inputSequence, inputIndex } = delivered
    this.push({
      user,
      one: one as number,
      two: two as number,
      place: placeOf(inputSequence, inputIndex),
      fingerprint: requestFingerprint(delivered),
      value: purchase === undefined ? 0 : Number(purchase.valueCents),
      quantity: purchase === undefined ? (reversal.quantity ?? 0) : purchase.quantity
    })
  }

  /** Adds a part of a message that cannot be applied. */
  addUnreadable(user: number, place: number): void {
    this.push({ user, one: 0, two: 0, place, fingerprint: 0, value: 0, quantity: 0 })
    this.states[this.size - 1] = state.unreadable
  }

  /** Returns whether the request at the place of an entry has the content of the entry, and marks it as applied. */
  apply(entry: ComparedEntry): boolean {
    const row = this.rowOf(entry.place)
    const isSame =
      row >= 0 &&
      this.states[row] === state.waiting &&
      this.users[row] === entry.user &&
      this.ones[row] === entry.one &&
      this.twos[row] === entry.two &&
      this.fingerprints[row] === entry.fingerprint &&
      this.values[row] === entry.value &&
      this.quantities[row] === entry.quantity
    if (row >= 0) this.states[row] = state.applied
    return isSame
  }

  /** Calls `take` with each request that no entry applied, in the order of the log. */
  forEachUnapplied(take: (request: UnappliedRequest) => void): void {
    for (let row = 0; row < this.size; row += 1) {
      if (this.states[row] === state.applied) continue
      take({
        user: this.users[row] as number,
        one: this.ones[row] as number,
        two: this.twos[row] as number,
        place: this.places[row] as number,
        fingerprint: this.fingerprints[row] as number,
        isUnreadable: this.states[row] === state.unreadable
      })
    }
  }

  /** Removes the requests of users outside of a slice, and gives memory back. */
  retain(slice: AuditSlice): void {
    const { size } = this
    let kept = 0
    for (let row = 0; row < size; row += 1) {
      if (!isInSlice(slice, this.users[row] as number)) continue
      for (const column of this.columns()) column[kept] = column[row] as number
      kept += 1
    }
    this.size = kept
    let capacity = capacityFirst
    while (capacity < kept) capacity *= 2
    this.resize(capacity)
  }

  private columns() {
    const { users, ones, twos, quantities, states, places, fingerprints, values } = this
    return [users, ones, twos, quantities, states, places, fingerprints, values]
  }

  private push({ user, one, two, place, fingerprint, value, quantity }: ComparedEntry): void {
    if (this.size === this.capacity) this.resize(2 * this.capacity)
    const row = this.size
    this.users[row] = user
    this.ones[row] = one
    this.twos[row] = two
    this.quantities[row] = quantity
    this.states[row] = state.waiting
    this.places[row] = place
    this.fingerprints[row] = fingerprint
    this.values[row] = value
    this.size += 1
  }

  private rowOf(place: number): number {
    let low = 0
    for (let high = this.size; low < high;) {
      const middle = (low + high) >>> 1
      if ((this.places[middle] as number) < place) low = middle + 1
      else high = middle
    }
    return low < this.size && this.places[low] === place ? low : -1
  }

  private resize(capacity: number): void {
    const resized = <Column extends Uint8Array | Uint32Array | Float64Array>(
      make: new (length: number) => Column,
      column: Column
    ) => {
      const next = new make(capacity)
      next.set(column.subarray(0, Math.min(this.size, capacity)))
      return next
    }
    this.capacity = capacity
    this.users = resized(Uint32Array, this.users)
    this.ones = resized(Uint32Array, this.ones)
    this.twos = resized(Uint32Array, this.twos)
    this.quantities = resized(Uint32Array, this.quantities)
    this.states = resized(Uint8Array, this.states)
    this.places = resized(Float64Array, this.places)
    this.fingerprints = resized(Float64Array, this.fingerprints)
    this.values = resized(Float64Array, this.values)
  }
}
