import type { Case } from "../Case.ts"
import { inputPurchases } from "../InputPurchases.ts"
import { countProcessorTime } from "../ProcessorTime.ts"
import { readTotal, totalsOf, wrongLedger } from "../Totals.ts"

const callers = 4
/** The most purchases of one call of `/generate`. */
const callPurchases = 10_000
const calls = 3
/** The number of purchases before the measurement, so that the processes compile their code. */
const warmUpPurchases = 10_000

const generateFor = async (edgeUrl: string, userId: string, purchases: number): Promise<void> => {
  const response = await fetch(`${edgeUrl}/generate/${purchases}/${userId}`)
  const body = await response.text()
  if (!response.ok) throw new Error(`/generate answered ${response.status}: ${body}`)
}

/** Measures concurrent calls of `/generate`, each for its own user, until a strong read includes all purchases. */
export const generate: Case = {
  name: "generate",
  about: `${callers} callers of /generate/${callPurchases}, each ${calls} times, until all totals are right`,
  isLong: false,
  run: async ({ startSystem, progress }) => {
    const { edge, worker, broker, edgeUrl } = await startSystem({ usesEdge: true })
    progress.show("warming up")
    await generateFor(edgeUrl, "warm-up", warmUpPurchases)
    await readTotal(edgeUrl, "warm-up")

    progress.show(`${callers} callers`)
    const userIds = Array.from({ length: callers }, (_, caller) => `caller-${caller}`)
    const spentSince = countProcessorTime({ edge, worker, broker })
    const began = performance.now()
    const counts = await Promise.all(
      userIds.map(async (userId) => {
        for (let call = 0; call < calls; call += 1) await generateFor(edgeUrl, userId, callPurchases)
        return (await readTotal(edgeUrl, userId)).count
      })
    )
    const seconds = (performance.now() - began) / 1_000
    const purchases = callers * calls * callPurchases
    const spent = spentSince(purchases)

    progress.show("reading every total")
    const wrong = await wrongLedger({ edgeUrl, broker }, totalsOf(await inputPurchases(broker.url)))
    for (const count of counts) {
      if (count !== calls * callPurchases) wrong.push(`a read after all calls counted ${count} purchases`)
    }
    return {
      measurements: [{ name: "generate", unit: "purchases/s", value: purchases / seconds, spent }],
      wrong,
      notes: []
    }
  }
}
