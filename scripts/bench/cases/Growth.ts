import type { Case, Measurement } from "../Case.ts"
import { storeUse } from "../StoreUse.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { processMemory } from "../ProcessMemory.ts"
import { throughput } from "../Throughput.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const users = 10_000
/** Published on top of what is stored, to measure. */
const measured = 100_000
const readsMeasured = 30_000
const readsAtOnce = 256
/** Sent to the first ledger again, as repeats, until the processes have compiled what they run. */
const warmUpRounds = 8

/** The same work on ledgers that hold more and more: what it costs must not depend on what is stored. */
const growthCase = (name: string, about: string, sizes: ReadonlyArray<number>): Case => ({
  name,
  about,
  isLong: true,
  run: async ({ startSystem, progress }) => {
    const workload = { purchases: (sizes.at(-1) ?? 0) + measured, users, repeatEvery: 0 }
    const system = await startSystem({ usesEdge: true })
    const { worker, broker, partitions } = system
    const line = { publisher: await system.startPublisher(), worker, broker, partitions }
    const load = new LoadProcess(system, progress)
    let empty = { memory: processMemory(broker.pid).resident, ...(await storeUse(broker.url)) }
    const measurements: Array<Measurement> = []
    const wrong: Array<string> = []
    let stored = 0
    let first: { readonly perSecond: number; readonly readsPerSecond: number } | undefined
    for (const size of sizes) {
      // What was measured before may have gone beyond it already.
      const from = Math.max(size, stored)
      if (from > stored) await throughput(line, { workload, from: stored, to: from }, progress)
      const label = `growth, ${from.toLocaleString("en")} stored:`
      const use = await storeUse(broker.url)
      const memory = processMemory(broker.pid).resident
      measurements.push(
        { name: `${label} input log`, unit: "bytes/purchase", value: (use.inputBytes - empty.inputBytes) / from },
        { name: `${label} ledger`, unit: "bytes/purchase", value: (use.ledgerBytes - empty.ledgerBytes) / from },
        { name: `${label} broker's memory`, unit: "bytes/purchase", value: (memory - empty.memory) / from }
      )
      if (stored === 0) {
        progress.show("warming up")
        for (let round = 0; round < warmUpRounds; round += 1) {
          await throughput(line, { workload, from: 0, to: from, isDistinct: true }, progress)
        }
        // What the repeats take is no part of what a purchase takes.
        const warm = await storeUse(broker.url)
        empty = {
          ...empty,
          inputBytes: empty.inputBytes + warm.inputBytes - use.inputBytes,
          ledgerBytes: empty.ledgerBytes + warm.ledgerBytes - use.ledgerBytes
        }
        wrong.push(
          ...(await load.run({ workload, reads: { count: readsMeasured, pace: { atOnce: readsAtOnce } } })).wrong
        )
      }
      const order = { workload, from, to: from + measured }
      const { perSecond, spent } = await throughput(line, order, progress)
      const read = await load.run({ workload, reads: { count: readsMeasured, pace: { atOnce: readsAtOnce } } })
      wrong.push(...read.wrong)
      stored = from + measured
      const readsPerSecond = readsMeasured / (read.milliseconds / 1_000)
      measurements.push(
        { name: `${label} end to end`, unit: "purchases/s", value: perSecond, spent },
        { name: `${label} strong reads`, unit: "reads/s", value: readsPerSecond }
      )
      if (first !== undefined) {
        measurements.push(
          { name: `${label} end to end, of the first`, unit: "ratio", value: perSecond / first.perSecond },
          { name: `${label} strong reads, of the first`, unit: "ratio", value: readsPerSecond / first.readsPerSecond }
        )
      }
      first ??= { perSecond, readsPerSecond }
    }
    progress.show("reading every total")
    wrong.push(...(await wrongLedger(system, totalsOfWorkload(workload))))
    return { measurements, wrong, notes: [] }
  }
})

export const growthCases: ReadonlyArray<Case> = [
  growthCase(
    "growth",
    "the same work with 10 thousand to 1 million purchases stored, 10,000 users; bytes a purchase",
    [10_000, 100_000, 1_000_000]
  ),
  growthCase(
    "growth-10m",
    "growth up to 10 million purchases: some 4 GB of disk a run",
    [10_000, 100_000, 1_000_000, 10_000_000]
  )
]
