import { describe, expect, it } from "vitest"
import { readBrokerAddress } from "../../../src/nats/client/BrokerAddress.ts"
import { TestBroker } from "../../../src/harness/system/TestBroker.ts"
import { startEdge, testSettings } from "../../../src/harness/system/TestLedger.ts"

describe("readBrokerAddress", () => {
  it.each([
    ["nats://127.0.0.1:4222", ["nats://127.0.0.1:4222"], {}],
    ["broker-1, broker-2:5222", ["nats://broker-1:4222", "nats://broker-2:5222"], {}],
    ["nats://ann:p%40ss@a:1,nats://ann:p%40ss@b:2", ["nats://a:1", "nats://b:2"], { user: "ann", pass: "p@ss" }],
    ["tls://secret@a:4222", ["tls://a:4222"], { token: "secret" }],
    ["nats://[::1]:4222", ["nats://[::1]:4222"], {}]
  ])("the address of the broker is read from %s", (urls, servers, credentials) => {
    expect(readBrokerAddress(urls)).toEqual({ servers, credentials })
  })
})

describe("a broker that asks who one is", () => {
  it("a broker that asks for credentials takes the name and password of NATS_URL", async () => {
    const broker = await TestBroker.start({ arguments: ["--user", "ledger", "--pass", "p@ss/word"] })
    const url = `nats://ledger:${encodeURIComponent("p@ss/word")}@127.0.0.1:${broker.port}`
    const edge = await startEdge(testSettings({ NATS_URL: url }))
    expect((await edge.app.request("/readyz")).status).toBe(200)
    await edge.stop()
    await broker.stop()
  })
})
