import { describe, expect, it } from "vitest"
import { answered, purchaseText, refusal, useService } from "../support/TestService.ts"

// No worker owns a partition, so no purchase is applied and no question is answered.
const service = useService({ withoutWorker: true })

const paths = [
  "/total/ann",
  "/history/ann",
  "/users/ann/total",
  "/users/ann/purchases",
  "/users/ann/purchases/p1",
  "/total/ann?consistency=eventual"
]
const notCurrent = (path: string) =>
  refusal(
    "not-current",
    "The owner of this account gave no current answer within 5000 ms. Try again, or ask for the last known state with ?consistency=eventual.",
    path.split("?")[0] ?? ""
  )

describe("an edge without a worker", () => {
  it("a strong read without a worker is answered with 504, and not with the total 0", async () => {
    expect(await Promise.all(paths.map((path) => service.get(path)))).toEqual(paths.map(notCurrent))
  })

  it("a purchase is stored without a worker, and gets 202 when the seconds of Prefer: wait have passed", async () => {
    const posted = await service.post(purchaseText({ purchaseId: "p1" }), { prefer: "wait=1" })
    expect(posted).toEqual(
      answered(
        202,
        '{"purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","value":12.50,"quantity":2,"total":25.00,"status":"stored"}',
        { location: "/users/ann/purchases/p1" }
      )
    )
    expect((await service.get("/generate/10/ann")).status).toBe(200)
    expect((await service.get("/readyz")).status).toBe(200)
  })

  it("the first read after a worker came includes the purchases that were stored before the worker came", async () => {
    await service.startWorker()
    const { status, body } = await service.get("/users/ann/total")
    expect(status).toBe(200)
    expect(body).toContain('"purchaseCount":11')
    expect((await service.get("/users/ann/purchases/p1")).body).toContain('"number":1,"purchaseId":"p1"')
  })
})
