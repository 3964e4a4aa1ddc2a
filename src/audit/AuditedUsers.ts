import { KeyedHash } from "../ledger/KeyedHash.ts"
import { encodeToken, partitionOf } from "../protocol/Subject.ts"

/** The bits of a user number below the number of the partition. There are at most 256 partitions. */
const hashBits = 24
const usersOfPartition = 2 ** hashBits

/** A range of user numbers, from `from` on and below `to`. A pass of the audit follows the users of one slice. */
export interface AuditSlice {
  readonly from: number
  readonly to: number
}

/** Returns the slice of all users of a ledger. */
export const wholeSlice = (partitions: number): AuditSlice => ({ from: 0, to: partitions * usersOfPartition })

/** Returns whether a slice has a user number. */
export const isInSlice = ({ from, to }: AuditSlice, user: number): boolean => user >= from && user < to

/** Returns the first half of a slice; `undefined` if the slice has only one user number. */
export const narrowed = ({ from, to }: AuditSlice): AuditSlice | undefined =>
  to - from <= 1 ? undefined : { from, to: from + Math.ceil((to - from) / 2) }

/** Returns the partition of a user number. */
export const partitionOfUser = (user: number): number => Math.floor(user / usersOfPartition)

/** Returns the partitions of which a slice has users. */
export const partitionsOfSlice = ({ from, to }: AuditSlice): ReadonlyArray<number> => {
  const first = partitionOfUser(from)
  return Array.from({ length: partitionOfUser(to - 1) - first + 1 }, (_, index) => first + index)
}

/**
 * Numbers users and hashes ids for one audit. The key is drawn for each audit, so nobody can choose ids whose hashes
 * are equal.
 */
export class AuditedUsers {
  readonly partitions: number
  private readonly hash: KeyedHash

  constructor(partitions: number, key: Uint32Array) {
    this.partitions = partitions
    this.hash = new KeyedHash(key)
  }

  /** Returns the number of a user: the partition in the high bits, and a part of a keyed hash in the low bits. */
  numberOf(userToken: string): number {
    return this.numberIn(partitionOf(userToken, this.partitions), userToken)
  }

  /** Returns a number in a partition for an ASCII text. */
  numberIn(partition: number, text: string): number {
    return partition * usersOfPartition + ((this.hash.of(text)[0] as number) >>> (32 - hashBits))
  }

  /**
   * Returns the hash of an id of a user's purchaseId set: four words of 32 bits. The next call of any method overwrites
   * the words.
   */
  hashOfId(userToken: string, setId: string): Uint32Array {
    // A token holds no dot, so two different pairs have two different texts.
    return this.hash.of(`${userToken}.${encodeToken(setId)}`)
  }
}
