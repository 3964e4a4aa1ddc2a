import { beforeAll, describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { answered, inputMessages, purchaseText, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()

const ready = (status: number) =>
  until(`readyz is ${status}`, async () => (await service.get("/readyz")).status === status)
const buy = (purchaseId: string, headers: Record<string, string> = {}) =>
  service.post(purchaseText({ purchaseId }), headers)
const retry = { "retry-after": "1" }

describe("while the broker is gone", () => {
  beforeAll(async () => {
    expect((await buy("before")).status).toBe(202)
    await service.broker.kill()
    await ready(503)
  })

  it("a purchase gets 503 with Retry-After while the broker is gone", async () => {
    const detail =
      "Could not store purchases: the broker is not available (not connected). Nothing was changed; try again."
    const gone = refusal("unavailable", detail, "/purchases", retry)
    const byGet = "/idempotent-test/ann/Lamp/1/1"
    const posts = [buy("during"), buy("during", { prefer: "wait=30" }), buy("other")]
    expect(await Promise.all([...posts, service.get(byGet)])).toEqual([
      ...posts.map(() => gone),
      refusal("unavailable", detail, byGet, retry)
    ])
  })

  it("while the broker is gone, each line of a body is refused, and the answer ends before the body ends", async () => {
    const detail =
      "Could not store purchases: the broker is not available (not connected). Nothing was changed; try again."
    const problem = (text: string) =>
      `{"type":"urn:purchase-ledger:problem:unavailable","title":"The service is not available now","status":503,"detail":"${text}"}`
    // The sender does not end this body.
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode(`${purchaseText({ purchaseId: "line" })}\n`))
    })
    const headers = { "content-type": "application/x-ndjson" }
    const request = new Request("http://localhost/purchases", { method: "POST", body, duplex: "half", headers })
    expect((await seen(service.edge.app.request(request))).body.split("\n")).toEqual([
      `{"line":1,"status":"refused","problem":${problem(detail)}}`,
      `{"line":1,"status":"ended","problem":${problem(`${detail} Lines up to 1 are answered above; nothing after that was stored.`)}}`,
      ""
    ])
  })

  it("a write by GET gets 503 while the broker is gone, and the answer says that nothing is stored", async () => {
    const detail =
      "0 purchases were stored before this failed: could not store purchases: the broker is not available (not connected)."
    const paths = ["/generate/2000/ann", "/duplicate/2000/ann"]
    expect(await Promise.all(paths.map((path) => service.get(path)))).toEqual(
      paths.map((path) => refusal("unavailable", detail, path, retry))
    )
  })

  it("a read gets 503 with Retry-After, and not the total 0, while the broker is gone", async () => {
    const paths = [
      "/total/ann",
      "/total/ann?consistency=eventual",
      "/history/ann",
      "/users/ann/total",
      "/users/ann/purchases",
      "/users/ann/purchases/before"
    ]
    const detail =
      "Could not ask the owner of the account: the broker is not available (not connected). Nothing was changed; try again."
    expect(await Promise.all(paths.map((path) => service.get(path)))).toEqual(
      paths.map((path) => refusal("unavailable", detail, path.split("?")[0] ?? "", retry))
    )
  })

  it("rules are neither read nor changed while the broker is gone, and the answer is 503", async () => {
    const path = "/users/ann/rules/r"
    const ask = (method: string, body?: string) =>
      seen(
        service.edge.app.request(path, {
          method,
          ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } })
        })
      )
    const detail =
      "Could not read the journal: the broker is not available (not connected). Nothing was changed; try again."
    const gone = refusal("unavailable", detail, path, retry)
    const rule = '{"measure":"value","is":"equal","threshold":1}'
    expect(await Promise.all([ask("PUT", rule), ask("GET"), ask("DELETE")])).toEqual([gone, gone, gone])
  })

  it("the edge is alive and not ready while the broker is gone", async () => {
    expect(await service.get("/livez")).toEqual(answered(200, '{"status":"alive"}'))
    expect(await service.get("/readyz")).toEqual(
      refusal(
        "unavailable",
        "Purchases cannot be stored: there is no connection to the broker. It is not known whether stored purchases are applied: the broker does not answer for the partitions.",
        "/readyz",
        retry
      )
    )
  })
})

describe("when the broker is back", () => {
  it("after the broker is back, the same edge stores again, and accounts have only acknowledged purchases", async () => {
    await service.broker.run()
    await ready(200)
    await until("a read is answered", async () => (await service.get("/total/ann")).status === 200)
    expect((await service.get("/users/ann/total")).body).toBe(
      '{"userId":"ann","total":25.00,"currency":"USD","purchaseCount":1,"reversalCount":0,"known":true}'
    )
    const again = await buy("during", { prefer: "wait=30" })
    expect({ status: again.status, idempotentReplayed: again.headers["idempotent-replayed"] }).toEqual({
      status: 201,
      idempotentReplayed: undefined
    })
    expect(again.body).toContain('"runningTotal":50.00')
    expect((await service.get("/generate/10/ann")).status).toBe(200)
  })
})

describe("when the broker does not answer", () => {
  it("a purchase that the broker does not confirm gets 504, and counts once when it is sent again", async () => {
    const before = (await inputMessages(service.client)).length
    await service.broker.freeze()
    const unknown = await buy("unknown")
    service.broker.wake()
    expect(unknown).toEqual(
      refusal(
        "outcome-unknown",
        "It is not known whether the purchase was stored. Send it again with the same purchaseId; it counts once.",
        "/purchases"
      )
    )
    await ready(200)
    await until("it is stored", async () => (await buy("unknown")).status === 202)
    await until("a read is answered", async () => (await service.get("/total/ann")).status === 200)
    expect((await service.get("/users/ann/total")).body).toContain('"purchaseCount":13')
    expect((await inputMessages(service.client)).length).toBe(before + 1)
  })
})
