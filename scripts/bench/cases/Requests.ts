import type { Case, CaseInput } from "../Case.ts"
import { latencyOf } from "../Latency.ts"
import { LoadProcess } from "../LoadProcess.ts"
import { perSecond, readsBesidePerSecond, RequestSide, turns, workload } from "../RequestSide.ts"
import { totalsOfWorkload, wrongFloor, wrongLedger, wrongTotals } from "../Totals.ts"

/**
 * Runs the system and its floor at the same time, and loads them in turns, so that a change in the machine's speed
 * affects both alike.
 */
const runBoth = async ({ startSystem, startRequestFloor, progress, run }: CaseInput) => {
  const system = await startSystem({ usesEdge: true })
  const floor = await startRequestFloor()
  const ledger = new RequestSide("the ledger", new LoadProcess(system, progress))
  const bare = new RequestSide("the floor", new LoadProcess(floor, progress))
  const sides = run % 2 === 1 ? [bare, ledger] : [ledger, bare]
  for (const side of sides) await side.warmUp()
  for (let turn = 1; turn <= turns; turn += 1) {
    for (const side of sides) await side.takeTurn()
    sides.reverse()
  }
  progress.show("reading every total")
  const totals = totalsOfWorkload(workload)
  const wrong = [
    ...ledger.wrong,
    ...(await wrongLedger(system, totals)),
    ...bare.wrong,
    ...(await wrongTotals(floor.edgeUrl, totals)).map((problem) => `floor: ${problem}`),
    ...(await wrongFloor(floor, totals))
  ]
  await system.stop()
  await floor.stop()
  return { ledger, bare, wrong }
}

/**
 * Measures requests in an open loop: posts that are answered when they are applied, then strong reads of totals, then
 * posts and reads at the same time. The processor time of posts with reads is one figure. The floor answers the same
 * requests.
 */
export const requests: Case = {
  name: "requests",
  about: `latencies in an open loop: ${perSecond} posts/s until applied, ${perSecond} strong reads/s, posts and ${readsBesidePerSecond} reads/s; in turns with the bare protocol`,
  isLong: false,
  run: async (input) => {
    const { ledger, bare, wrong } = await runBoth(input)
    return {
      measurements: [
        ...ledger.measurements(""),
        ...bare.measurements(" floor"),
        {
          name: "read-total beside posts p99 of the floor's",
          unit: "ratio",
          value: latencyOf(ledger.readsBeside).p99 / latencyOf(bare.readsBeside).p99
        }
      ],
      wrong,
      notes: [ledger.told, bare.told]
    }
  }
}
