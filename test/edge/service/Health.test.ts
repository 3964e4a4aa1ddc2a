import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { headOf } from "../../../src/protocol/Commit.ts"
import type { ReadyState, SystemStatus } from "../../../src/client/Answers.ts"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { startWorker, type TestWorker } from "../../../src/harness/system/TestLedger.ts"
import { TestProcess } from "../../../src/harness/system/TestProcess.ts"
import { purchaseText, refusal, startService, type TestService, useService } from "../../support/TestService.ts"

const lease = { WORKER_HEARTBEAT: "200 millis", WORKER_LEASE: "1 second" }
const canStore = { ok: true, detail: "Purchases can be stored." }
const applied = { ok: true, detail: "Stored purchases are applied.", partitions: [] }
const nobody = {
  ok: false,
  detail:
    "No worker is alive. Partitions 0–1 of 2 are not applied. Stored purchases are kept, and are applied when a worker takes them.",
  partitions: [0, 1]
}

const tell = (service: TestService) => {
  const ready = async () => JSON.parse((await service.get("/readyz")).body) as ReadyState
  const status = async () => JSON.parse((await service.get("/status")).body) as SystemStatus
  const untilApplying = (ok: boolean) =>
    until(`applying is ${ok ? "" : "not "}well`, async () => (await ready()).applying.ok === ok)
  return { ready, status, untilApplying }
}

describe("an edge without a worker", () => {
  const service = useService({ withoutWorker: true, environment: lease })

  it("an edge without a worker stays in a load balancer, and says that nothing is applied", async () => {
    expect((await service.get("/readyz")).status).toBe(200)
    expect(await tell(service).ready()).toEqual({ status: "storing-only", storing: canStore, applying: nobody })
    expect(await tell(service).status()).toMatchObject({ storing: canStore, applying: nobody })
  })

  it("an edge without a worker is unavailable for callers who require that purchases are applied", async () => {
    const detail = `${canStore.detail} ${nobody.detail}`
    const unavailable = refusal("unavailable", detail, "/readyz", { "retry-after": "1" })
    expect(await service.get("/readyz?applying=required")).toEqual(unavailable)
    expect((await service.get("/readyz?applying=maybe")).status).toBe(400)
  })

  it("an edge is ready when a worker runs, and reports when that worker freezes and wakes", async () => {
    const { ready, status, untilApplying } = tell(service)
    const worker = new TestProcess("worker", {
      NATS_URL: service.broker.url,
      WORKER_ID: "frozen",
      ...lease
    })
    try {
      await untilApplying(true)
      expect(await ready()).toEqual({ status: "ready", storing: canStore, applying: applied })
      expect((await service.get("/readyz?applying=required")).status).toBe(200)
      await worker.freeze()
      await untilApplying(false)
      const { applying, partitions, workers } = await status()
      expect(applying).toEqual(nobody)
      const silent = expect.stringMatching(/^frozen was not heard for \d+ seconds?$/) as unknown
      expect(partitions.map(({ owner, notApplied }) => [owner, notApplied])).toEqual([
        ["frozen", silent],
        ["frozen", silent]
      ])
      expect(workers).toMatchObject([{ worker: "frozen", alive: false, partitions: [0, 1] }])
      worker.wake()
      await untilApplying(true)
      expect(await worker.kill("SIGTERM")).toEqual({ code: 0, signal: null })
      await untilApplying(false)
      expect((await status()).partitions[0]?.notApplied).toBe("frozen is gone")
    } finally {
      await worker.kill()
    }
  })
})

describe("a worker that lives and applies nothing of one partition", () => {
  const service = useService({ withoutWorker: true })
  let worker: TestWorker
  let isStuck = true
  beforeAll(async () => {
    worker = await startWorker(service.settings, {
      chain: (real) => ({
        ...real,
        append: (partition, text, after) =>
          isStuck && headOf(text).kind === "commit" ? Effect.never : real.append(partition, text, after)
      })
    })
  })
  afterAll(async () => {
    await worker.stop()
  })

  it("the status names only the partition whose living worker applies nothing", async () => {
    const { ready, status, untilApplying } = tell(service)
    await untilApplying(true)
    expect((await service.post(purchaseText({ purchaseId: "p1" }))).status).toBe(202)
    await untilApplying(false)
    const { applying, partitions, workers, oldestWaitingMilliseconds } = await status()
    expect(oldestWaitingMilliseconds).toBeGreaterThan(3_500)
    const [partition] = applying.partitions
    expect(applying).toEqual({
      ok: false,
      detail: `Partition ${partition} of 2 is not applied. Stored purchases are kept, and are applied when a worker takes them. A worker is alive and commits nothing. If it stays so, restart the broker that leads the journal.`,
      partitions: [partition]
    })
    expect(partitions.find(({ notApplied }) => notApplied !== undefined)).toMatchObject({
      partition,
      waitingMessages: 1,
      notApplied: expect.stringMatching(/ is alive, and has applied nothing of it for \d+ seconds$/) as unknown
    })
    expect(workers.map(({ alive }) => alive)).toEqual([true])
    isStuck = false
    expect((await ready()).status).toBe("storing-only")
  })
})

describe("an edge whose broker does not answer", () => {
  it("an edge whose broker does not answer names no subject and no error code to people", async () => {
    const service = await startService({ withoutWorker: true })
    const names = /\$JS|KV_|PURCHASES|[A-Z]{2,}\.[A-Z]{2,}|\b10[0-9]{3}\b|NatsError/
    const paths = ["/readyz", "/status", "/rejected", "/rejected/1/0", "/total/ann", "/generate/1/ann"]
    try {
      await service.broker.freeze()
      const frozen = await Promise.all(paths.map((path) => service.get(path)))
      await service.broker.kill()
      await until("the edge knows", async () => (await service.get("/status")).status === 503)
      const gone = await Promise.all(paths.map((path) => service.get(path)))
      for (const { status, body } of [...frozen, ...gone]) {
        expect([503, 504]).toContain(status)
        expect(body).not.toMatch(names)
      }
    } finally {
      await service.stop()
    }
  }, 60_000)

  it("an edge whose broker does not answer says that nothing can be stored, and that applying is unknown", async () => {
    const service = await startService({ withoutWorker: true })
    try {
      await service.broker.freeze()
      const detail =
        "Purchases cannot be stored: the broker does not answer for the input log. It is not known whether stored purchases are applied: the broker does not answer for the partitions."
      expect(await service.get("/readyz")).toEqual(refusal("unavailable", detail, "/readyz", { "retry-after": "1" }))
      service.broker.wake()
    } finally {
      await service.stop()
    }
  })
})
