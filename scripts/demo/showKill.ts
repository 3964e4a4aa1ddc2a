import { decimalOf } from "../../src/client/Amount.ts"
import type { AppliedRevision } from "../../src/client/Answers.ts"
import { addedUp } from "./Audit.ts"
import { type Audited, type Demonstration, expectExact } from "./Demonstration.ts"
import { WrongClaim } from "./Report.ts"
import type { Processes } from "./Processes.ts"

/** The most attempts to kill a worker in the middle of its work, because a kill can come too early or too late. */
const attemptsMax = 3
/** The longest time until the first purchase is applied. */
const firstAppliedMillisecondsMax = 30_000

export interface Survivor extends Audited {
  readonly userId: string
  /** The sequence of the last commit with purchases of the user. */
  readonly ledgerSequence: number
}

/** Waits until a part of a user's purchases is applied, and returns the number of applied purchases. */
const someApplied = async ({ client }: Demonstration, userId: string): Promise<number> => {
  const deadline = performance.now() + firstAppliedMillisecondsMax
  while (performance.now() < deadline) {
    // A strong read would wait until all stored purchases are applied.
    const { purchaseCount } = await client.total(userId, { consistency: "eventual" })
    if (purchaseCount > 0) return purchaseCount
  }
  throw new Error(`nothing of ${userId} was applied within ${firstAppliedMillisecondsMax / 1_000} s`)
}

/**
 * Returns the revisions of an account from the feed, from the first revision up to the revision that applied a
 * purchase.
 */
const revisionsUpTo = async (
  { client }: Demonstration,
  userId: string,
  purchaseId: string
): Promise<ReadonlyArray<AppliedRevision>> => {
  const revisions: Array<AppliedRevision> = []
  for await (const event of client.feed({ userId, after: "0" })) {
    if (event.kind === "reset") throw new WrongClaim(`the feed has no beginning: ${event.detail}`)
    revisions.push(event.applied)
    if (event.applied.purchases.some((purchase) => purchase.purchaseId === purchaseId)) break
  }
  return revisions
}

/**
 * Kills the workers while they apply the purchases of a user. After the kill, stores one purchase for another user, the
 * witness.
 */
const killAmid = async (demonstration: Demonstration, workers: Processes, userId: string, purchases: number) => {
  const { client, report, newUser } = demonstration
  const kill = async () => {
    const applied = await someApplied(demonstration, userId)
    const killed = await workers.kill()
    report.say(`kill -9 of ${killed.join(", ")}, when ${applied} of ${purchases} were applied`)
    return killed
  }
  const [generated, killed] = await Promise.all([client.generate(purchases, userId), kill()])
  report.expect("all are stored, though no worker runs", generated.purchasesGenerated, purchases)
  const witness = newUser("dave")
  const lamps = { purchaseId: "first", userId: witness, productName: "Lamp", productType: "Office", quantity: 3 }
  const { status } = await client.post({ ...lamps, value: "19.99" })
  report.expect(`one more, of ${witness}`, status, "stored")
  return { witness, killed: killed.length }
}

/**
 * Kills the workers in the middle of a user's purchases, starts them again, and claims that no purchase is lost or
 * doubled.
 */
export const showKill = async (
  demonstration: Demonstration,
  workers: Processes,
  purchases: number,
  attempt = 1
): Promise<Survivor> => {
  const { client, report, newUser } = demonstration
  const userId = newUser("carol")
  report.title(`${purchases} purchases of ${userId}, and the worker is killed meanwhile`)
  const { witness, killed } = await killAmid(demonstration, workers, userId, purchases)

  report.title("The worker again: start.sh")
  await workers.start(killed)
  const audited = await expectExact(demonstration, userId, purchases)
  const newest = audited.entries.at(-1)?.purchaseId ?? ""
  const { ledgerSequence } = await client.receipt(userId, newest)
  const revisions = await revisionsUpTo(demonstration, userId, newest)
  const fed = addedUp(revisions.flatMap((revision) => revision.purchases))
  report.expect("sum of the feed from the beginning, each purchase once", decimalOf(fed), decimalOf(audited.cents))
  const lamps = await client.receipt(witness, "first")
  report.expect(`total of ${witness}, stored while no worker ran`, lamps.runningTotal, "59.97")

  // The purchase of the witness was stored after the death of one worker and before the start of the next worker. The
  // time at which the purchase of the witness was stored separates the commits of the two workers.
  const before = revisions.findLast(({ appliedAt }) => appliedAt < lamps.storedAt)?.purchaseCount ?? 0
  const isAmid = before > 0 && before < purchases
  if (!isAmid && attempt < attemptsMax) {
    report.say(`That was not in the middle: ${before} of ${purchases} were applied before the kill. Once more.`)
    return showKill(demonstration, workers, purchases, attempt + 1)
  }
  const parts = `${before} were applied before the kill, ${purchases - before} after it`
  report.holds(`it was in the middle: ${parts}`, isAmid)
  return { ...audited, userId, ledgerSequence }
}
