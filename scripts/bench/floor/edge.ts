// The edge of the floor: Hono, the same messages to the input log with the ledger's shortest wait between two messages,
// and one question for each read. The edge of the floor does not recognise repeats.
import { createHash } from "node:crypto"
import { serve } from "@hono/node-server"
import { Hono } from "hono"
import { nuid } from "nats"
import { connectAs } from "../../../src/harness/system/TestKeys.ts"
import { decimalFromCents } from "../../../src/account/Money.ts"
import { paceMillisecondsMin } from "../../../src/intake/Pace.ts"
import {
  groupSubject,
  noticeHeader,
  noticePrefix,
  partitionOf,
  purchaseSubject,
  querySubject
} from "../../../src/protocol/Subject.ts"
import type { HttpFloorMessage } from "./http.ts"
import {
  endWithBenchmark,
  fail,
  floorPartitions,
  type FloorNotice,
  headersOf,
  httpServerOptions,
  replies,
  requests
} from "./Protocol.ts"

interface Posted {
  readonly userId: string
  readonly purchaseId: string
  readonly text: string
  readonly applied: (total: string) => void
}

const client = await connectAs("admin", process.env["NATS_URL"] ?? "", { name: "floor edge" })
const publish = replies(client)

const lanes = Array.from({ length: floorPartitions }, () => ({ waiting: new Array<Posted>(), isPublishing: false }))
const laneOf = (userId: string) => lanes[partitionOf(userId, floorPartitions)]

const notices = noticePrefix + nuid.next()
/** The groups with purchases that are not applied yet, by the number of the group. */
const published = new Map<number, { readonly members: ReadonlyArray<Posted>; open: number }>()
let groups = 0
client.subscribe(notices, {
  callback: (_error, message) => {
    for (const [number, index, total] of message.json<Array<FloorNotice>>()) {
      const group = published.get(number)
      if (group === undefined) continue
      group.members[index]?.applied(total)
      group.open -= 1
      if (group.open === 0) published.delete(number)
    }
  }
})

let publishedAt = Number.NEGATIVE_INFINITY
let isScheduled = false

const publishNext = (lane: (typeof lanes)[number], partition: number): void => {
  if (lane.isPublishing || lane.waiting.length === 0) return
  lane.isPublishing = true
  const members = lane.waiting.splice(0)
  const payload = `{"version":1,"purchases":[${members.map(({ text }) => text).join(",")}]}`
  const only = members.length === 1 ? members[0] : undefined
  const subject = only === undefined ? groupSubject(partition) : purchaseSubject(partition, only.userId)
  const id =
    only === undefined ? createHash("sha256").update(payload).digest("base64url") : `${only.userId}.${only.purchaseId}`
  groups += 1
  published.set(groups, { members, open: members.length })
  const headers = headersOf(`Nats-Msg-Id: ${id}\r\n${noticeHeader}: ${notices} ${groups}\r\n`)
  publish(subject, payload, headers, ({ duplicate }) => {
    if (duplicate === true) fail(`${id} came twice: nobody would be told of it`)
    lane.isPublishing = false
    publishSoon()
  })
}

const publishAll = (): void => {
  isScheduled = false
  publishedAt = performance.now()
  for (const [partition, lane] of lanes.entries()) publishNext(lane, partition)
}

const publishSoon = (): void => {
  if (isScheduled || lanes.every(({ isPublishing, waiting }) => isPublishing || waiting.length === 0)) return
  const rest = publishedAt + paceMillisecondsMin - performance.now()
  if (rest <= 0) return publishAll()
  isScheduled = true
  setTimeout(publishAll, rest)
}

const request = requests(client)
const ask = (userId: string): Promise<string> =>
  new Promise((resolve) => {
    request(querySubject(partitionOf(userId, floorPartitions)), userId, (message) => resolve(message.string()))
  })

const app = new Hono()

app.post("/purchases", async (http) => {
  const { value, ...content } = await http.req.json()
  // The cents are exact, because the prices of the load have few digits.
  const purchase = { ...content, valueCents: Math.round(value * 100) }
  const { userId, purchaseId } = purchase
  const total = await new Promise<string>((applied) => {
    laneOf(userId)?.waiting.push({ userId, purchaseId, text: JSON.stringify(purchase), applied })
    publishSoon()
  })
  return http.json({ ...purchase, status: "applied", total }, 201)
})

app.get("/users/:id/total", async (http) => {
  const userId = http.req.param("id")
  const [total = "", count = ""] = (await ask(userId)).split(" ")
  const body = `{"userId":"${userId}","total":${decimalFromCents(BigInt(total))},"purchaseCount":${count}}`
  return http.body(body, 200, { "content-type": "application/json" })
})

endWithBenchmark()
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0, serverOptions: httpServerOptions }, ({ port }) => {
  process.send?.({ kind: "listening", port } satisfies HttpFloorMessage)
})
