import { execFile } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"
import { Hono } from "hono"
import { beforeAll, describe, expect, it } from "vitest"
import { wantedFormat } from "../../src/metrics/MetricsFormat.ts"
import { metricsApp } from "../../src/metrics/MetricsApp.ts"
import { findPythonPackage } from "../support/PythonPackage.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { purchaseText, refusal, type Seen, seen, useService } from "../support/TestService.ts"

const client = await findPythonPackage("prometheus-client", "0.26.0")

const prometheus = "text/plain; version=0.0.4; charset=utf-8"
const openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
const formats = [
  ["prometheus", prometheus],
  ["openmetrics", openmetrics]
] as const

const service = useService()
beforeAll(async () => {
  await service.post(purchaseText({ purchaseId: "p1" }), { prefer: "wait=10" })
  await service.get("/duplicate/3/cid")
  await service.post(purchaseText({ purchaseId: "p1", quantity: 9 }), { prefer: "wait=10" })
  await service.get("/users/ann/total")
})

const worker = metricsApp((effect) => Effect.runPromise(effect))
const endpoints: ReadonlyArray<readonly [string, (accept?: string) => Promise<Seen>]> = [
  ["an edge", (accept) => service.get("/metrics", accept === undefined ? {} : { accept })],
  ["a worker", (accept) => seen(worker.request("/metrics", { headers: accept === undefined ? {} : { accept } }))]
]

describe.each(endpoints)("the metrics of %s", (_name, ask) => {
  it("the answer with metrics names the format and the version of the format", async () => {
    const answer = await ask()
    expect({ status: answer.status, contentType: answer.headers["content-type"] }).toEqual({
      status: 200,
      contentType: prometheus
    })
    for (const [, mediaType] of formats) expect((await ask(mediaType)).headers["content-type"]).toBe(mediaType)
  })

  it("metrics are refused to callers who take neither Prometheus's text format nor OpenMetrics", async () => {
    expect((await ask("application/json")).status).toBe(406)
    expect((await ask("application/openmetrics-text; version=9")).status).toBe(406)
  })

  it.each(formats)("metrics are read by the strict parser of %s", needs(client), async (format, mediaType) => {
    const { body } = await ask(mediaType)
    const families = await parsed(format, body)
    expect(families).toContainEqual(["counter", "purchase_ledger_applied_purchases", "1"])
    expect(families).toContainEqual(["gauge", "purchase_ledger_partitions_owned", "1"])
    expect(families.map(([type]) => type)).toContain("histogram")
    const named = body.split("\n").filter((line) => line.startsWith("# TYPE ")).length
    expect(families).toHaveLength(named)
  })
})

/** Reads metrics with a parser of the Python client, and returns type, name and number of samples of each family. */
const parsed = (format: string, text: string): Promise<ReadonlyArray<ReadonlyArray<string>>> =>
  new Promise((resolve, reject) => {
    const python = join(client.bin, "python")
    const program = join(projectRoot, "test/metrics/parse.py")
    const child = execFile(python, [program, format], (error, out) =>
      error === null
        ? resolve(
            out
              .trim()
              .split("\n")
              .map((line) => line.split(" "))
          )
        : reject(error)
    )
    child.stdin?.end(text)
  })

describe("a caller that takes several formats", () => {
  const app = new Hono().get("/", (http) => http.text(wantedFormat(http) ?? "neither"))
  const chosen = async (accept: string) => (await app.request("/", { headers: { accept } })).text()
  const scraper =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"

  it.each([
    [scraper, "openmetrics"],
    ["*/*", "prometheus"],
    ["text/*", "prometheus"],
    ["application/*", "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text, text/plain", "prometheus"],
    ["application/openmetrics-text;q=0.2, */*;q=0.1", "openmetrics"],
    ["application/openmetrics-text;version=0.0.1, text/plain;q=0.1", "prometheus"],
    ["text/plain;q=0, */*", "openmetrics"],
    ["application/json", "neither"]
  ])("a caller that accepts several formats gets the format that it prefers: %s", async (accept, format) => {
    expect(await chosen(accept)).toBe(format)
  })
})

describe("OpenMetrics", () => {
  it("OpenMetrics text names units, names a counter's family without _total, and ends with # EOF", async () => {
    const { body } = await service.get("/metrics", { accept: "application/openmetrics-text" })
    const lines = body.split("\n")
    expect(lines.slice(-2)).toEqual(["# EOF", ""])
    expect(lines).toContain("# TYPE purchase_ledger_applied_purchases counter")
    expect(lines).toContain("# UNIT purchase_ledger_commit_duration_seconds seconds")
    expect(lines.some((line) => line.startsWith("purchase_ledger_applied_purchases_total "))).toBe(true)
    expect(lines.some((line) => line.includes('le="1.0"'))).toBe(true)
  })

  it("the refusal of a caller that takes neither format of metrics names OpenMetrics", async () => {
    const detail = `Metrics are ${prometheus} or ${openmetrics}.`
    const refused = await service.get("/metrics", { accept: "text/plain; version=9" })
    expect(refused).toEqual(refusal("not-acceptable", detail, "/metrics"))
  })
})
