import { expect, it } from "vitest"
import { queuesOf } from "../../src/nats/QueueDepth.ts"
import { purchaseText, useService } from "../support/TestService.ts"

const service = useService()

/** Returns the value of each series by its name and labels. */
const series = async (): Promise<Record<string, number>> => {
  const { status, headers, body } = await service.get("/metrics")
  expect({ status, contentType: headers["content-type"] }).toEqual({
    status: 200,
    contentType: "text/plain; version=0.0.4; charset=utf-8"
  })
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(" ")).replace("purchase_ledger_", ""),
      Number(line.split(" ").at(-1))
    ])
  )
}

/** Returns the growth of each series, 0 if it did not change. */
const grown = async (act: () => Promise<unknown>) => {
  const before = await series()
  await act()
  const after = await series()
  return (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
}

const post = (members: Record<string, unknown>) => service.post(purchaseText(members), { prefer: "wait=10" })

it("requests are counted by route and status, with their durations", async () => {
  const by = await grown(async () => {
    await service.get("/users/ann/total")
    await service.get("/users/ben/total")
    await service.get("/users/ann/purchases/none")
  })
  expect(by('http_requests_total{method="GET",route="/users/{id}/total",status="200"}')).toBe(2)
  expect(by('http_requests_total{method="GET",route="/users/{id}/purchases/{purchaseId}",status="404"}')).toBe(1)
  expect(by('http_request_duration_seconds_count{method="GET",route="/users/{id}/total"}')).toBe(2)
  expect(by('http_request_duration_seconds_bucket{method="GET",route="/users/{id}/total",le="+Inf"}')).toBe(2)
})

it("the metrics count stored purchases, applied purchases, and commits with their size and time", async () => {
  const by = await grown(() => post({ purchaseId: "p1" }))
  expect(by('published_purchases_total{outcome="stored"}')).toBe(1)
  expect(by("publish_purchases_count")).toBe(1)
  expect(by("publish_duration_seconds_count")).toBe(1)
  expect(by("applied_purchases_total")).toBe(1)
  const commits = by('commits_total{outcome="committed"}')
  expect(commits).toBeGreaterThanOrEqual(1)
  expect(by("commit_revisions_count")).toBe(commits)
  expect(by("commit_revisions_sum")).toBeGreaterThanOrEqual(commits)
  expect(by("commit_duration_seconds_count")).toBe(commits)
  expect(by('commits_total{outcome="failed"}')).toBe(0)
})

it("repeats of the broker and of the account are counted apart, and conflicts are counted as rejected", async () => {
  await post({ purchaseId: "p2" })
  const window = await grown(() => post({ purchaseId: "p2" }))
  expect(window('repeats_total{net="broker-window"}')).toBe(1)
  expect(window('repeats_total{net="purchase-id-set"}')).toBe(0)
  const set = await grown(async () => {
    await service.get("/duplicate/3/cid")
    await service.get("/users/cid/total")
  })
  expect(set('repeats_total{net="purchase-id-set"}')).toBe(2)
  expect(set("applied_purchases_total")).toBe(1)
  const conflict = await grown(() => post({ purchaseId: "p2", quantity: 9 }))
  expect(conflict('rejected_purchases_total{reason="conflict"}')).toBe(1)
})

it("gauges show the waiting messages, the actors, the owned partitions and the broker connection", async () => {
  await post({ purchaseId: "p3" })
  const now = await series()
  expect(now).toMatchObject({
    broker_connected: 1,
    partitions_owned: 2,
    edge_waiting_purchases: 0,
    'input_waiting_messages{partition="0"}': expect.any(Number),
    'input_waiting_messages{partition="1"}': expect.any(Number)
  })
  expect(now["actors_resident"]).toBeGreaterThan(0)
  expect(now["process_resident_memory_bytes"]).toBeGreaterThan(1_000_000)
})

it("the waiting messages of a partition are those of the most advanced consumer of the newest epoch", () => {
  const consumer = (name: string, num_pending: number, num_ack_pending: number) => ({
    name,
    num_pending,
    num_ack_pending,
    created: "2026-11-29T09:00:00Z",
    ack_floor: { stream_seq: 4, ...(name === "p1-9" ? { last_active: "2026-11-29T09:00:03Z" } : {}) },
    ts: "2026-11-29T09:00:05Z"
  })
  const consumers = [
    consumer("p0-7", 90, 5),
    consumer("p0-12", 3, 2),
    consumer("p0-12-2", 50, 0),
    consumer("p1-9", 0, 0),
    consumer("somebody", 8, 8)
  ]
  const begun = Date.parse("2026-11-29T09:00:00Z")
  expect([...queuesOf(consumers)]).toEqual([
    [0, { epoch: 12, depth: 5, floor: 4, movedAt: begun, readAt: begun + 5_000 }],
    [1, { epoch: 9, depth: 0, floor: 4, movedAt: begun + 3_000, readAt: begun + 5_000 }]
  ])
})
