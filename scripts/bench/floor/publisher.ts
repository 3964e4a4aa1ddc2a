// The publisher of the floor: sends groups of purchases, with one message in flight in each partition.
import { createHash } from "node:crypto"
import { nuid } from "nats"
import { connectAs } from "../../../src/harness/system/TestKeys.ts"
import { groupSubject, partitionOf } from "../../../src/protocol/Subject.ts"
import { callPurchases, outstandingMax, type PublishOrder } from "../PublishOrder.ts"
import { purchaseAt } from "../Workload.ts"
import { endWithBenchmark, floorPartitions, headersOf, replies, tell } from "./Protocol.ts"

const groupPurchasesMax = 500

const client = await connectAs("admin", process.env["NATS_URL"] ?? "", { name: "floor publisher" })
const publish = replies(client)

const run = ({ workload, from, to, storeEveryCopy = false }: PublishOrder): void => {
  const lanes = Array.from({ length: floorPartitions }, () => ({ waiting: new Array<string>(), isPublishing: false }))
  let next = from
  let outstanding = 0

  const publishNext = (partition: number): void => {
    const lane = lanes[partition]
    if (lane === undefined || lane.isPublishing || lane.waiting.length === 0) return
    const group = lane.waiting.splice(0, groupPurchasesMax)
    const payload = `{"version":1,"purchases":[${group.join(",")}]}`
    const id = storeEveryCopy ? nuid.next() : createHash("sha256").update(payload).digest("base64url")
    lane.isPublishing = true
    publish(groupSubject(partition), payload, headersOf(`Nats-Msg-Id: ${id}\r\n`), () => {
      lane.isPublishing = false
      outstanding -= group.length
      fill()
      publishNext(partition)
    })
  }

  const fill = (): void => {
    while (next < to && outstanding + callPurchases <= outstandingMax) {
      const end = Math.min(next + callPurchases, to)
      outstanding += end - next
      for (; next < end; next += 1) {
        const purchase = purchaseAt(workload, next)
        const text = JSON.stringify({ ...purchase, valueCents: Number(purchase.valueCents) })
        lanes[partitionOf(purchase.userId, floorPartitions)]?.waiting.push(text)
      }
      for (let partition = 0; partition < floorPartitions; partition += 1) publishNext(partition)
    }
    if (next === to && outstanding === 0) tell({ kind: "published" })
  }

  fill()
}

endWithBenchmark()
process.on("message", run)
tell({ kind: "ready" })
