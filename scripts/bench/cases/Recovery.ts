import type { Case } from "../Case.ts"
import { fill } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger, wrongTotals } from "../Totals.ts"
import { repeatEveryUsual } from "../Workload.ts"

/** The number of users whose totals are read. With this number of users, each partition almost certainly has a user. */
const usersAsked = 64

/**
 * Makes a case that kills the only worker, starts another worker, and measures the time until strong reads in each
 * partition are answered.
 */
const recoveryCase = (name: string, users: number, purchases: number): Case => ({
  name,
  about: `kill -9 of the only worker with ${purchases.toLocaleString("en")} purchases of ${users.toLocaleString("en")} users in the ledger, until strong reads of every partition`,
  isLong: true,
  run: async ({ startSystem, progress }) => {
    const workload = { purchases, users, repeatEvery: repeatEveryUsual }
    const system = await startSystem({ usesEdge: false })
    await fill(system, workload, progress)
    const expected = totalsOfWorkload(workload)
    const asked = new Map(Array.from(expected).slice(0, usersAsked))
    progress.show("killing the worker")
    const began = performance.now()
    await system.replaceWorker("kill")
    const wrong = await wrongTotals(system.edgeUrl, asked)
    const recovered = (performance.now() - began) / 1_000
    progress.show("reading every total")
    return {
      measurements: [{ name, unit: "s", value: recovered }],
      wrong: [...wrong, ...(await wrongLedger(system, expected))],
      notes: []
    }
  }
})

export const recoveryCases: ReadonlyArray<Case> = [
  recoveryCase("recovery", 1_000, 1_060_000),
  recoveryCase("recovery-1m", 1_000_000, 3_000_000)
]
