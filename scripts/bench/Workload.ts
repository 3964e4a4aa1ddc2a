import type { Purchase } from "../../src/account/Purchase.ts"

/**
 * A sequence of purchases. Each purchase is computed from its index, so every process gets the same purchases, and no
 * purchase is kept in memory.
 */
export interface Workload {
  readonly purchases: number
  readonly users: number
  /** How purchases are spread over the users: evenly (the default), or by Zipf's law with the exponent 1. */
  readonly spread?: "uniform" | "zipf"
  /**
   * The distance between two repeats: each n-th purchase repeats an earlier purchase; 0 for a workload without repeats.
   */
  readonly repeatEvery: number
}

/** A part of a workload: the purchases with the indexes from `from` up to, but without, `to`. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** The usual distance between two repeats: every twentieth purchase is a repeat. */
export const repeatEveryUsual = 20

/** The most purchases between a repeat and the purchase that it repeats. */
const repeatDistanceMax = 20_000

const products = ["Mechanical Keyboard", "Noise Cancelling Headphones", "Standing Desk", "Monitor Arm", "Backpack"]
const productTypes = ["Electronics", "Audio", "Furniture", "Accessories", "Outdoor"]

/** Spreads an index over 32 bits (the finalizer of MurmurHash3). */
const spread = (index: number): number => {
  let hash = index + 0x9e3779b9
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export const userAt = (number: number): string => `customer-${number.toString().padStart(6, "0")}`

/**
 * Returns the number of a user. By Zipf's law, user n has 1/n of the purchases of user 1. So the logarithm of the
 * user's number is spread evenly.
 */
const userNumberOf = ({ users, spread: kind }: Workload, hash: number): number =>
  kind === "zipf" ? Math.floor(users ** (hash / 0x1_0000_0000)) - 1 : hash % users

const originalAt = (workload: Workload, index: number): Purchase => {
  const hash = spread(index)
  return {
    purchaseId: `6f1d2c3b-8a4e-4f70-9b25-${index.toString(16).padStart(12, "0")}`,
    userId: userAt(userNumberOf(workload, hash)),
    productName: products[hash % 5] ?? "",
    productType: productTypes[hash % 5] ?? "",
    valueCents: BigInt(100 + (hash % 99_900)),
    quantity: 1 + (hash % 9)
  } as Purchase
}

/** Returns whether the purchase at an index repeats an earlier purchase. */
const isRepeatAt = ({ repeatEvery }: Workload, index: number): boolean =>
  repeatEvery > 0 && index % repeatEvery === repeatEvery - 1

/** Returns the purchase at an index. */
export const purchaseAt = (workload: Workload, index: number): Purchase => {
  if (!isRepeatAt(workload, index)) return originalAt(workload, index)
  const earlier = index - 1 - (spread(index) % Math.min(index, repeatDistanceMax))
  // The purchase just before a repeat is never a repeat.
  return originalAt(workload, isRepeatAt(workload, earlier) ? earlier - 1 : earlier)
}

/** Yields the purchases of a workload that are not repeats. */
export function* originalsOf(workload: Workload): Generator<Purchase> {
  for (let index = 0; index < workload.purchases; index += 1) {
    if (!isRepeatAt(workload, index)) yield originalAt(workload, index)
  }
}
