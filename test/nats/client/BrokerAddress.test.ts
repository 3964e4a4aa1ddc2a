import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { Effect, Layer, Logger, References } from "effect"
import { Connection } from "../../../src/nats/client/Connection.ts"
import { describe, expect, it } from "vitest"
import { readBrokerAddress } from "../../../src/nats/client/BrokerAddress.ts"
import { TestBroker, until } from "../../../src/harness/system/TestBroker.ts"
import { startEdge, testSettings } from "../../../src/harness/system/TestLedger.ts"

describe("readBrokerAddress", () => {
  it.each([
    ["nats://127.0.0.1:4222", ["nats://127.0.0.1:4222"], {}, false],
    ["broker-1, broker-2:5222", ["nats://broker-1:4222", "nats://broker-2:5222"], {}, false],
    ["nats://ann:p%40ss@a:1,nats://ann:p%40ss@b:2", ["nats://a:1", "nats://b:2"], { user: "ann", pass: "p@ss" }, false],
    ["tls://secret@a:4222", ["tls://a:4222"], { token: "secret" }, true],
    ["nats://a:1,TLS://b:2", ["nats://a:1", "tls://b:2"], {}, true],
    ["nats://[::1]:4222", ["nats://[::1]:4222"], {}, false]
  ])("the address of the broker is read from %s", (urls, servers, credentials, isEncrypted) => {
    expect(readBrokerAddress(urls)).toEqual({ servers, isEncrypted, credentials })
  })
})

/**
 * Starts a server that offers no TLS, like a broker without TLS or an attacker on the network. The server keeps all
 * bytes that clients send.
 */
const startPlainBroker = async () => {
  const sockets: Array<Socket> = []
  const received: Array<string> = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on("error", () => undefined)
    socket.on("data", (bytes) => void received.push(String(bytes)))
    socket.write(`INFO {"server_id":"plain","version":"2.15.1","proto":1,"headers":true,"max_payload":1048576}\r\n`)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as AddressInfo).port, sockets, received, close }
}

describe("a broker without TLS", () => {
  it("a broker without TLS gets no byte from a client whose address is tls://", async () => {
    const broker = await startPlainBroker()
    const logged: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(message))
    const url = `nats://127.0.0.1:${broker.port},tls://ledger:secret@127.0.0.1:${broker.port}`
    const connecting = Effect.runFork(
      Layer.build(Connection.layer({ url, name: "test", role: "edge" })).pipe(
        Effect.scoped,
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Info")
      )
    )
    await until("it was tried several times", () => broker.sockets.length > 3)
    await until("it is logged", () => logged.length > 0)
    broker.close()
    connecting.interruptUnsafe()
    expect({ received: broker.received, logged }).toEqual({
      received: [],
      logged: [["waiting for a broker that offers TLS"]]
    })
  })
})

describe("a broker that asks for credentials", () => {
  it("a broker that asks for credentials accepts the name and password of NATS_URL", async () => {
    const broker = await TestBroker.start({ hasUsers: false, arguments: ["--user", "ledger", "--pass", "p@ss/word"] })
    const url = `nats://ledger:${encodeURIComponent("p@ss/word")}@127.0.0.1:${broker.port}`
    const edge = await startEdge(testSettings({ NATS_URL: url, NATS_NKEY_FILE: "" }))
    expect((await edge.app.request("/readyz")).status).toBe(200)
    await edge.stop()
    await broker.stop()
  })
})
