import { fileURLToPath } from "node:url"
import type { Case } from "../Case.ts"
import { countProcessorTime } from "../ProcessorTime.ts"
import type { PublisherMessage } from "../publisher.ts"
import { totalsOfWorkload, wrongTotals } from "../Totals.ts"

const users = 1_000
/** 5 %. */
const repeatEvery = 20

/**
 * Purchases from a publisher with a bounded number on the way, until strong reads of every account say that all are
 * applied. Repeats count as purchases: each has to be stored, recognised and dropped.
 */
export const endToEnd: Case = {
  name: "end-to-end",
  measures: ["end-to-end"],
  usesEdge: false,
  run: async ({ system, progress, purchases }) => {
    const workload = { purchases, users, repeatEvery }
    const script = fileURLToPath(new URL("../publisher.ts", import.meta.url))
    const publisher = system.spawn({ name: "publisher", script, isProfiled: true })
    const ready = publisher.message<PublisherMessage, "ready">("ready")
    publisher.send(workload)
    await ready

    const done = publisher.message<PublisherMessage, "done">("done", (message) => {
      if (message.kind === "progress") progress.show(`published ${message.published.toLocaleString("en")}`)
    })
    const spentSince = countProcessorTime({
      edge: publisher.pid,
      worker: system.worker.pid,
      broker: system.broker.pid
    })
    publisher.send({})
    const { publishedMilliseconds, appliedMilliseconds, generatingMilliseconds, counted } = await done
    const spent = spentSince(purchases)

    progress.show("reading every total")
    const expected = totalsOfWorkload(workload)
    const distinct = Array.from(expected.values()).reduce((sum, { count }) => sum + count, 0)
    const wrong = await wrongTotals(system.edgeUrl, expected)
    if (counted !== distinct) wrong.push(`strong reads at the end counted ${counted} purchases, not ${distinct}`)
    const generating = ((generatingMilliseconds * 1_000) / purchases).toFixed(2)
    return {
      measurements: [
        { name: "end-to-end", unit: "purchases/s", value: purchases / (appliedMilliseconds / 1_000), spent }
      ],
      wrong,
      notes: [
        `all stored after ${seconds(publishedMilliseconds)}, all applied after ${seconds(appliedMilliseconds)}; ` +
          `making a purchase is ${generating} µs of the edge's`
      ]
    }
  }
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`
