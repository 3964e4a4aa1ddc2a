/** The slots of an empty table. The number of slots is a power of two. */
const capacityFirst = 1_024
/** The table doubles above this share of used slots, so that a search stays short. */
const loadMax = 0.75
/** The bytes of a slot: three words of the key, the fingerprint, two places, and the quantity. */
const slotBytes = 3 * 4 + 3 * 8 + 4

/** An id that an entry applied. */
export interface AuditedId {
  /** The number of the user. */
  readonly user: number
  /** Two words of the keyed hash of the user's token and the id. */
  readonly one: number
  readonly two: number
  readonly fingerprint: number
  /** The place of the entry's request in the input log. */
  readonly place: number
  /** The sequence of the commit with the entry. */
  readonly sequence: number
  /** The pieces of the purchase, or of the reversal. */
  readonly quantity: number
}

/**
 * The ids of all entries of the followed accounts, by a keyed hash. A slot takes 40 bytes, and a quarter of the slots
 * at least is free.
 *
 * The key of a slot has 64 bits of a keyed hash, and 24 bits of a keyed hash of the user. An id that comes twice always
 * meets its own slot, so no double is missed. Two different ids meet in one slot with a chance of one in 2^88 a pair.
 * The audit looks at both entries before it reports a double. Then it begins the pass again with another key if two
 * different ids have met.
 */
export class AuditedIds {
  /** The number of ids in the table. */
  size = 0
  private capacity = capacityFirst
  private users = new Uint32Array(capacityFirst)
  private ones = new Uint32Array(capacityFirst)
  private twos = new Uint32Array(capacityFirst)
  private quantities = new Uint32Array(capacityFirst)
  private fingerprints = new Float64Array(capacityFirst)
  private places = new Float64Array(capacityFirst)
  /** The sequence of each slot, 0 if the slot is free. */
  private sequences = new Float64Array(capacityFirst)

  /** Returns the bytes of the table after `more` further ids. */
  bytesWith(more: number): number {
    let { capacity } = this
    while (this.size + more > loadMax * capacity) capacity *= 2
    return slotBytes * capacity
  }

  /** Returns the slot of an id, or -1. The next call of `add` or `retain` moves slots. */
  find(user: number, one: number, two: number): number {
    const slot = this.slotOf(user, one, two)
    return this.sequences[slot] === 0 ? -1 : slot
  }

  fingerprintAt(slot: number): number {
    return this.fingerprints[slot] as number
  }

  placeAt(slot: number): number {
    return this.places[slot] as number
  }

  sequenceAt(slot: number): number {
    return this.sequences[slot] as number
  }

  quantityAt(slot: number): number {
    return this.quantities[slot] as number
  }

  /** Adds an id that the table does not have. */
  add(id: AuditedId): void {
    if (this.size + 1 > loadMax * this.capacity) this.rebuild(2 * this.capacity, () => true)
    this.put(id)
  }

  /** Removes the ids of all users that `isKept` does not accept, and gives memory back. */
  retain(isKept: (user: number) => boolean): void {
    let kept = 0
    for (let slot = 0; slot < this.capacity; slot += 1) {
      if (this.sequences[slot] !== 0 && isKept(this.users[slot] as number)) kept += 1
    }
    let capacity = capacityFirst
    while (kept > (loadMax / 2) * capacity) capacity *= 2
    this.rebuild(capacity, isKept)
  }

  private slotOf(user: number, one: number, two: number): number {
    const { users, ones, twos, sequences, capacity } = this
    let slot = (one ^ user) & (capacity - 1)
    for (; sequences[slot] !== 0; slot = (slot + 1) & (capacity - 1)) {
      if (ones[slot] === one && twos[slot] === two && users[slot] === user) return slot
    }
    return slot
  }

  private put({ user, one, two, fingerprint, place, sequence, quantity }: AuditedId): void {
    const slot = this.slotOf(user, one, two)
    this.users[slot] = user
    this.ones[slot] = one
    this.twos[slot] = two
    this.fingerprints[slot] = fingerprint
    this.places[slot] = place
    this.sequences[slot] = sequence
    this.quantities[slot] = quantity
    this.size += 1
  }

  private rebuild(capacity: number, isKept: (user: number) => boolean): void {
    const { users, ones, twos, quantities, fingerprints, places, sequences, capacity: before } = this
    this.size = 0
    this.capacity = capacity
    this.users = new Uint32Array(capacity)
    this.ones = new Uint32Array(capacity)
    this.twos = new Uint32Array(capacity)
    this.quantities = new Uint32Array(capacity)
    this.fingerprints = new Float64Array(capacity)
    this.places = new Float64Array(capacity)
    this.sequences = new Float64Array(capacity)
    for (let slot = 0; slot < before; slot += 1) {
      const user = users[slot] as number
      if (sequences[slot] === 0 || !isKept(user)) continue
      this.put({
        user,
        one: ones[slot] as number,
        two: twos[slot] as number,
        fingerprint: fingerprints[slot] as number,
        place: places[slot] as number,
        sequence: sequences[slot] as number,
        quantity: quantities[slot] as number
      })
    }
  }
}
