import { describe, expect, it } from "vitest"
import { HttpConnections } from "../../scripts/bench/HttpConnections.ts"
import { getRequest, postRequest } from "../../scripts/bench/HttpRequest.ts"
import { serve } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe("the requests of the benchmark", () => {
  const service = useService()

  it("an edge on the loopback interface applies a post, and answers a read", async () => {
    const { port, close } = await serve(service.edge.app, {}, "", {})
    const client = new HttpConnections(`http://127.0.0.1:${port}`, 1)
    const posted = await client.exchange(postRequest(purchaseText({ purchaseId: "b1" }), "applied"))
    const stored = await client.exchange(postRequest(purchaseText({ purchaseId: "b2" }), "stored"))
    const read = await client.exchange(getRequest("/users/ann/total"))
    client.close()
    await close()
    expect([posted.status, stored.status, read.status]).toEqual([201, 202, 200])
  })
})
