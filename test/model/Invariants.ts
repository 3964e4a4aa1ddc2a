import { type Ledger, purchaseAt, type Script, type User, users } from "./Ledger.ts"

/**
 * - `once`: no purchaseId of a user is in two revisions.
 * - `phantom`: what is applied was stored before.
 * - `order`: a user's purchases are applied in the order of the log, none left out.
 * - `agreement`: history and total hold all that was ever applied.
 * - `repeats`: each repeat or conflict that an account has decided is counted, once.
 * - `applied`: nothing at or below the position, and nothing that is purged, is undecided.
 * - `position`: it never goes back.
 * - `read`: an answer holds all that was stored before it was asked for, hence all that was acknowledged or read.
 * - `committed`: an answer holds nothing that is not in the ledger.
 * - `finish`: the protocol alone, without luck, can always come to the end of the log.
 */
export type Invariant =
  | "once"
  | "phantom"
  | "order"
  | "agreement"
  | "repeats"
  | "applied"
  | "position"
  | "read"
  | "committed"
  | "finish"

const idOf = (purchase: string) => purchase.slice(0, 1)

/** The first message of each purchaseId of a user, among the first `through` messages. */
export const distinctPurchases = (script: Script, user: User, through: number): ReadonlyArray<number> => {
  const firsts = new Map<string, number>()
  for (let sequence = 1; sequence <= through; sequence += 1) {
    const purchase = purchaseAt(script, user, sequence)
    if (purchase !== undefined && !firsts.has(idOf(purchase))) firsts.set(idOf(purchase), sequence)
  }
  return [...firsts.values()]
}

/** How many messages up to a sequence bring a purchase of the user, new or not. */
const deliveriesThrough = (script: Script, user: User, through: number): number =>
  script.slice(0, through).filter((message) => message[user] !== undefined).length

const isPrefix = (some: ReadonlyArray<number>, all: ReadonlyArray<number>) =>
  some.every((sequence, index) => all[index] === sequence)

const brokenOf = (script: Script, ledger: Ledger, user: User): ReadonlyArray<Invariant> => {
  const { applied, entries, decidedThrough, repeats } = ledger.accounts[user]
  const ids = applied.map((sequence) => idOf(purchaseAt(script, user, sequence) ?? "?"))
  const expected = distinctPurchases(script, user, script.length)
  const needed = Math.max(ledger.position, ledger.purged)
  const broken: Array<Invariant> = []
  if (new Set(ids).size < ids.length) broken.push("once")
  if (ids.includes("?") || applied.some((sequence) => sequence > ledger.stored)) broken.push("phantom")
  if (!isPrefix(applied, expected)) broken.push("order")
  if (applied.join() !== entries.join()) broken.push("agreement")
  const counted = deliveriesThrough(script, user, decidedThrough)
  if (repeats !== counted - distinctPurchases(script, user, decidedThrough).length) broken.push("repeats")
  const isMissing = distinctPurchases(script, user, needed).some((sequence) => !entries.includes(sequence))
  if (isMissing || deliveriesThrough(script, user, needed) > counted) broken.push("applied")
  return broken
}

export const brokenInvariants = (script: Script, ledger: Ledger): ReadonlyArray<Invariant> => {
  const broken = users.flatMap((user) => brokenOf(script, ledger, user))
  return ledger.position > ledger.stored ? [...broken, "phantom"] : broken
}

/** What is wrong with an answer at the moment it is given. `required` was counted when it was asked for. */
export const brokenByAnswer = (
  ledger: Ledger,
  user: User,
  required: number,
  answer: ReadonlyArray<number>
): Invariant | undefined => {
  if (answer.length < required) return "read"
  return isPrefix(answer, ledger.accounts[user].applied) ? undefined : "committed"
}

export const isFinished = (script: Script, ledger: Ledger): boolean =>
  ledger.stored === script.length && ledger.position === script.length && brokenInvariants(script, ledger).length === 0

export const positionGoesBack = (before: Ledger, after: Ledger | undefined): Invariant | undefined =>
  after !== undefined && after.position < before.position ? "position" : undefined
