import type { Invariant } from "../../src/harness/Invariant.ts"
import {
  headsOf,
  idOf,
  isOverdrawn,
  isRefused,
  isReversal,
  purchaseAt,
  refusalName,
  type Script,
  type Shared,
  type User,
  users
} from "./Chain.ts"
import { lacksBlob, readBlobs } from "./Heads.ts"

/**
 * A rule that the protocol keeps in every state. The model reads the invariants of docs/protocol.md as follows.
 * - `I1`: All input up to the position is applied, and so is all purged input. Refused reversals have their records.
 * - `I2`: No purchaseId of a user is in two revisions.
 * - `I3`: Every purchase that is applied was stored in the input log before.
 * - `I4`: The newest revision knows of every purchase that the account's revisions applied. No purchase has more pieces
 *   taken back than it has.
 * - `I5`: A user's purchases are applied in the order of the input log, with none left out.
 * - `I6`: An answer holds all that was stored before the question, and nothing that no commit holds. Everything that
 * was acknowledged or read before is stored, so it is in the answer too.
 * - `I7`: The end of the input log can be reached from every state, without luck.
 * - `I8`: An input is acknowledged only when commits hold its whole content. The invariants rest on further rules of
 * the model:
 * - `repeats`: Each repeat or conflict is counted once.
 * - `position`: The position never goes back along the chain.
 * - `references`: Each segment and rejected record that the chain refers to is stored.
 * - `ahead`: Heads name no revision that is not in the chain.
 * - `blobs`: Each blob that the newest manifest names is stored, unless a fault lost it.
 * - `heads`: An owner restores exactly the newest revision of every account.
 */
export type ModelRule = Invariant | "repeats" | "position" | "references" | "ahead" | "blobs" | "heads"

/**
 * Returns the messages of a user that must be applied, and those that must be refused, among the first `through`
 * messages. The first message of each id is applied, unless it is a reversal for which too few pieces are left.
 */
const expected = (script: Script, user: User, through: number) => {
  const contents = new Map<string, string>()
  const applied: Array<number> = []
  const refused: Array<number> = []
  for (let sequence = 1; sequence <= through; sequence += 1) {
    const content = purchaseAt(script, user, sequence)
    if (content === undefined || contents.has(idOf(content))) continue
    if (isReversal(content) && isRefused([...contents.values()], content)) {
      refused.push(sequence)
      continue
    }
    contents.set(idOf(content), content)
    applied.push(sequence)
  }
  return { applied, refused }
}

/** Returns the messages of a user that must be applied, among the first `through` messages. */
export const expectedEntries = (script: Script, user: User, through: number): ReadonlyArray<number> =>
  expected(script, user, through).applied

/** Returns the number of a user's messages that are applied or counted, among the first `through` messages. */
const deliveriesThrough = (script: Script, user: User, through: number): number =>
  script.slice(0, through).filter((message) => message[user] !== undefined).length -
  expected(script, user, through).refused.length

const isPrefix = (some: ReadonlyArray<number>, all: ReadonlyArray<number>) =>
  some.every((sequence, index) => all[index] === sequence)

export const appliedOf = ({ revisions }: Shared, user: User): ReadonlyArray<number> =>
  revisions[user].flatMap(({ adds }) => adds)

const brokenOf = (script: Script, shared: Shared, user: User): ReadonlyArray<ModelRule> => {
  const applied = appliedOf(shared, user)
  const newest = shared.revisions[user].at(-1)
  const { entries = [], decidedThrough = 0, repeats = 0 } = newest ?? {}
  const contents = applied.map((sequence) => purchaseAt(script, user, sequence) ?? "?")
  const ids = contents.map(idOf)
  const needed = Math.max(shared.position, shared.purged)
  const counted = deliveriesThrough(script, user, decidedThrough)
  const broken: Array<ModelRule> = []
  const due = expected(script, user, needed)
  const isMissing = due.applied.some((sequence) => !applied.includes(sequence))
  const isUnrecorded = due.refused.some((sequence) => !shared.written.includes(refusalName(user, sequence)))
  if (isMissing || isUnrecorded) broken.push("I1")
  if (new Set(ids).size < ids.length) broken.push("I2")
  if (ids.includes("?") || applied.some((sequence) => sequence > shared.stored)) broken.push("I3")
  if (applied.join() !== entries.join() || isOverdrawn(contents)) broken.push("I4")
  if (!isPrefix(applied, expectedEntries(script, user, script.length))) broken.push("I5")
  const isUncounted = deliveriesThrough(script, user, needed) > counted
  const isMiscounted = repeats !== counted - expectedEntries(script, user, decidedThrough).length
  if (isUncounted || isMiscounted) broken.push("repeats")
  return broken
}

const brokenByHeads = (shared: Shared): ReadonlyArray<ModelRule> => {
  const { manifest, hasLost } = shared.heads
  const ends = headsOf(shared)
  const heads = readBlobs(shared.heads, manifest)
  const broken: Array<ModelRule> = []
  if (users.some((user) => manifest.through[user] > ends[user] || heads[user] > ends[user])) broken.push("ahead")
  if (!hasLost && lacksBlob(shared.heads, manifest)) broken.push("blobs")
  return broken
}

export const brokenInvariants = (script: Script, shared: Shared): ReadonlyArray<ModelRule> => {
  const broken = [...users.flatMap((user) => brokenOf(script, shared, user)), ...brokenByHeads(shared)]
  if (shared.position > shared.stored) broken.push("I3")
  const referred = users.flatMap((user) => shared.revisions[user].flatMap(({ refers }) => refers))
  if (referred.some((name) => !shared.written.includes(name))) broken.push("references")
  return broken
}

/** Checks an answer when it is given. `required` is the number of purchases that was counted when the question came. */
export const brokenByAnswer = (
  shared: Shared,
  user: User,
  required: number,
  answer: ReadonlyArray<number>
): ModelRule | undefined => (answer.length < required || !isPrefix(answer, appliedOf(shared, user)) ? "I6" : undefined)

/** Checks the acknowledgement of all inputs up to a sequence, and of no other input. */
export const brokenByAcknowledgement = (script: Script, shared: Shared, through: number): ModelRule | undefined => {
  const isDecided = (user: User, sequence: number) =>
    purchaseAt(script, user, sequence) === undefined ||
    (shared.revisions[user].at(-1)?.decidedThrough ?? 0) >= sequence ||
    shared.written.includes(refusalName(user, sequence))
  for (let sequence = shared.position + 1; sequence <= through; sequence += 1) {
    if (!users.every((user) => isDecided(user, sequence))) return "I8"
  }
  return undefined
}

export const isFinished = (script: Script, shared: Shared): boolean =>
  shared.stored === script.length && shared.position === script.length

export const positionGoesBack = (before: Shared, after: Shared): ModelRule | undefined =>
  after.position < before.position ? "position" : undefined
