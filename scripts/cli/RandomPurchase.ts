import { fnv1a } from "../../src/account/TextHash.ts"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { sampleProducts, sampleProductTypes } from "../../src/edge/legacy/SamplePurchase.ts"

/** Returns a source of whole numbers from 0 to below a bound. The whole numbers follow from the seed (mulberry32). */
const numbersFrom = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * below)
  }
}

/**
 * Returns one of the random purchases of a run. The id and the content of the purchase follow from the run and the
 * number. A run that is repeated thus sends the same purchases, and each counts once.
 */
export const randomPurchase = (userId: string, run: string, number: number): NewPurchase => {
  const purchaseId = `${run}-${number}`
  const random = numbersFrom(fnv1a(purchaseId))
  return {
    purchaseId,
    userId,
    productName: sampleProducts[random(sampleProducts.length)] ?? "",
    productType: sampleProductTypes[random(sampleProductTypes.length)] ?? "",
    value: BigInt(1_000 + random(99_001)),
    quantity: 1 + random(5)
  }
}
