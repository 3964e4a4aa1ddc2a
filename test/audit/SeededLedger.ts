import { type Reversed, sold, type Sold } from "../../src/harness/system/Sold.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"
import { copyLedger, type LedgerCopy } from "./LedgerCopy.ts"

export const partitions = 2
/** The users of the ledger, `ann` and `bob` in one partition, and `cid` in the other. */
export const ann = userIn(0, partitions, "ann")
export const bob = userIn(0, partitions, "bob")
export const cid = userIn(1, partitions, "cid")
/** The revisions of ann, which are enough for a segment. */
const annRevisions = 30

const reversed = (userId: string, reversalId: string, purchaseId: string, quantity?: number): Reversed => ({
  reversalId,
  userId,
  purchaseId,
  reason: "Broken",
  ...(quantity === undefined ? {} : { quantity })
})

const messageOf = (...requests: ReadonlyArray<Sold | Reversed>): string =>
  JSON.stringify({ version: 1, purchases: requests })

/**
 * Makes a ledger with the workers of the product, and stops the workers: purchases of three users, reversals, repeats,
 * a conflict, a refused reversal, an unreadable message, a segment, heads, and two epochs of each partition.
 */
export const seedLedger = async (system: TestSystem): Promise<LedgerCopy> => {
  const { admin } = system
  const store = async (user: string, payload: string) => {
    await admin.publish(`purchases.${system.partitionOf(user)}.=many`, payload)
    await admin.untilApplied()
  }
  await system.startWorker()
  for (let number = 1; number <= annRevisions; number += 1) {
    await store(ann, messageOf(sold(ann, `a${number}`, { valueCents: 100 + number })))
  }
  await store(bob, messageOf(sold(bob, "b1", { quantity: 5 }), sold(bob, "b2"), sold(ann, "shared")))
  await store(bob, messageOf(reversed(bob, "r1", "b1", 2), reversed(bob, "b2", "b1")))
  await store(bob, messageOf(sold(bob, "b2"), sold(bob, "b2", { valueCents: 1 }), reversed(bob, "r1", "b1", 2)))
  await store(bob, messageOf(reversed(bob, "r3", "b1"), reversed(bob, "r4", "unknown"), sold(bob, "b3")))
  await store(cid, messageOf(sold(cid, "c1"), sold(cid, "c2")))
  await store(cid, "poison")
  await system.stopWorkers()
  await system.startWorker()
  await store(cid, messageOf(sold(cid, "c3"), sold(cid, "c4")))
  await store(ann, messageOf(sold(ann, "last"), sold(ann, "later")))
  await system.stopWorkers()
  return copyLedger(admin)
}

/** Starts the system of a seeded ledger. Heads are written after every other revision. */
export const startSeeded = (): Promise<TestSystem> =>
  TestSystem.start({ PARTITIONS: String(partitions), TEST_HEADS_REVISIONS: "2" })
