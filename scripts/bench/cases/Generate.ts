import type { Case } from "../Case.ts"
import { inputPurchases } from "../InputPurchases.ts"
import { countProcessorTime } from "../ProcessorTime.ts"
import { readTotal, totalsOf, wrongTotals } from "../Totals.ts"

const callers = 4
const callerPurchases = 10_000
/** Generated before the clock starts, so that the processes have compiled what they run. */
const warmUpPurchases = 10_000

const generateFor = async (edgeUrl: string, userId: string, purchases: number): Promise<void> => {
  const response = await fetch(`${edgeUrl}/generate/${purchases}/${userId}`)
  const body = await response.text()
  if (!response.ok) throw new Error(`/generate answered ${response.status}: ${body}`)
  const { count } = await readTotal(edgeUrl, userId)
  if (count !== purchases) throw new Error(`${userId} has ${count} purchases after ${purchases} were acknowledged`)
}

/** Callers of `/generate` for a user each, at the same time, until a strong read after each call has all of it. */
export const generate: Case = {
  name: "generate",
  measures: ["generate"],
  usesEdge: true,
  run: async ({ system, progress }) => {
    const { edgeUrl } = system
    progress.show("warming up")
    await generateFor(edgeUrl, "warm-up", warmUpPurchases)

    progress.show(`${callers} callers`)
    const userIds = Array.from({ length: callers }, (_, caller) => `caller-${caller}`)
    const spentSince = countProcessorTime({
      edge: system.edge.pid,
      worker: system.worker.pid,
      broker: system.broker.pid
    })
    const began = performance.now()
    await Promise.all(userIds.map((userId) => generateFor(edgeUrl, userId, callerPurchases)))
    const seconds = (performance.now() - began) / 1_000
    const purchases = callers * callerPurchases
    const spent = spentSince(purchases)

    progress.show("reading every total")
    const expected = totalsOf(await inputPurchases(system.broker.url))
    const wrong = await wrongTotals(edgeUrl, expected)
    for (const userId of userIds) {
      const stored = expected.get(userId)?.count
      if (stored !== callerPurchases) wrong.push(`${stored} purchases of ${userId} are in the input log`)
    }
    return {
      measurements: [{ name: "generate", unit: "purchases/s", value: purchases / seconds, spent }],
      wrong,
      notes: []
    }
  }
}
