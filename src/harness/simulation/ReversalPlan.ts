import type { EntryRequest } from "../../account/Entry.ts"
import type { PurchaseId, ReversalId } from "../../account/Identifier.ts"
import type { Purchase } from "../../account/Purchase.ts"
import type { Reversal } from "../../account/Reversal.ts"
import type { Randomness } from "./Randomness.ts"

/** Requests that a client sends together. The requests of one partition are in one message. */
export interface BuyOperation {
  readonly do: "buy"
  readonly client: number
  readonly at: number
  readonly requests: ReadonlyArray<EntryRequest>
}

/** The question of a client for the receipt of a purchase or a reversal. */
export interface ReceiptOperation {
  readonly do: "receipt"
  readonly client: number
  readonly at: number
  readonly request: EntryRequest
}

/** The parts of a plan that reversals depend on. */
interface Planned {
  readonly bought: ReadonlyArray<BuyOperation>
  readonly clients: number
  /** The time within which all operations begin, in milliseconds. */
  readonly within: number
}

/** Each run has one of these numbers of requests for reversals. */
const reversalsPlanned = [0, 5, 10]
/** The number of purchases that are reversed. The number is small, so that one purchase is reversed several times. */
const targetsPlanned = 3
const receiptsPlanned = 3

/** A purchase that reversals name, and the first message that has the purchase. */
interface Target {
  readonly purchase: Purchase
  readonly first: BuyOperation
}

const targetsOf = (random: Randomness, bought: ReadonlyArray<BuyOperation>): ReadonlyArray<Target> =>
  Array.from({ length: targetsPlanned }, () => {
    const first = random.choose(bought)
    const purchases = first.requests.filter((request): request is Purchase => !("reversalId" in request))
    return { purchase: random.choose(purchases), first }
  })

/** Returns a reversal of a target with a new id. Some reversals name a purchase that is never sent. */
const newReversal = (random: Randomness, { purchase }: Target, number: number): Reversal => {
  const { userId, purchaseId } = purchase
  const named = random.chance(0.1) ? ("p0" as PurchaseId) : purchaseId
  const reversal = { reversalId: `r${number}` as ReversalId, userId, purchaseId: named, reason: "Returned" }
  return random.chance(0.5) ? reversal : { ...reversal, quantity: 1 + random.below(3) }
}

/**
 * Adds reversals to the purchases of a plan. Reversals come before and after their purchases, and in one message with
 * their purchases. Some reversals come again under the same id, with the same content or with another content.
 */
export const withReversals = (
  random: Randomness,
  { bought, clients, within }: Planned
): ReadonlyArray<BuyOperation | ReceiptOperation> => {
  const targets = targetsOf(random, bought)
  const messages = new Map(bought.map((operation) => [operation, operation.requests]))
  const sent: Array<{ readonly reversal: Reversal; readonly target: Target }> = []
  const alone: Array<BuyOperation | ReceiptOperation> = []
  const planned = random.choose(reversalsPlanned)
  for (let number = 1; number <= planned; number += 1) {
    const again = sent.length > 0 && random.chance(0.25) ? random.choose(sent) : undefined
    const target = again?.target ?? random.choose(targets)
    const isOther = random.chance(0.15)
    const reversal =
      again === undefined
        ? newReversal(random, target, number)
        : { ...again.reversal, ...(isOther && { reason: "Damaged" }) }
    sent.push({ reversal, target })
    const { first } = target
    const requests = messages.get(first) ?? []
    if (random.chance(0.3)) {
      messages.set(first, random.chance(0.2) ? [reversal, ...requests] : [...requests, reversal])
      continue
    }
    const from = random.chance(0.25) ? 0 : first.at
    alone.push({
      do: "buy",
      client: random.below(clients),
      at: from + random.below(within - from),
      requests: [reversal]
    })
  }
  const receipts = planned === 0 ? 0 : receiptsPlanned
  for (let asked = 0; asked < receipts; asked += 1) {
    const { reversal, target } = random.choose(sent)
    const request = random.chance(0.5) ? reversal : target.purchase
    alone.push({ do: "receipt", client: random.below(clients), at: random.below(within), request })
  }
  return [...bought.map((operation) => ({ ...operation, requests: messages.get(operation) ?? [] })), ...alone]
}
