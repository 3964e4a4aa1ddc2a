import { once } from "node:events"
import { createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { connect, Events, type NatsConnection } from "nats"
import { afterEach, expect, it } from "vitest"
import { NodeTransport } from "nats/lib/src/node_transport.js"
import { closeAbandonedDials } from "../../../src/nats/client/AbandonedDial.ts"

const info =
  'INFO {"server_id":"x","version":"2.15.1","proto":1,"headers":true,"max_payload":1048576,"nonce":"abc"}\r\n'

/** A broker that greets its clients and answers pings, until it is frozen. */
class FakeBroker {
  isFrozen = false
  readonly sockets: Array<Socket> = []
  private readonly server: Server

  private constructor(server: Server) {
    this.server = server
    server.on("connection", (socket) => {
      this.sockets.push(socket)
      socket.on("error", () => undefined)
      if (!this.isFrozen) socket.write(info)
      socket.on("data", (data) => {
        if (!this.isFrozen && data.includes("PING")) socket.write("PONG\r\n")
      })
    })
  }

  static async start(): Promise<FakeBroker> {
    const broker = new FakeBroker(createServer())
    broker.server.listen(0, "127.0.0.1")
    await once(broker.server, "listening")
    return broker
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }
}

const open: Array<{ stop(): unknown }> = []
const started = async (): Promise<FakeBroker> => {
  const broker = await FakeBroker.start()
  open.push(broker)
  return broker
}

afterEach(() => {
  for (const one of open.splice(0)) one.stop()
})

const reconnected = async (client: NatsConnection): Promise<void> => {
  for await (const { type } of client.status()) if (type === Events.Reconnect) return
}

it("an attempt to connect that takes too long leaves no socket, and the connection to another broker stays", async () => {
  closeAbandonedDials()
  const [frozen, other] = [await started(), await started()]
  const client = await connect({
    servers: [`127.0.0.1:${frozen.port}`, `127.0.0.1:${other.port}`],
    noRandomize: true,
    pingInterval: 50,
    maxPingOut: 1,
    reconnectTimeWait: 1,
    maxReconnectAttempts: -1,
    timeout: 200
  })
  open.push({ stop: () => client.close() })
  frozen.isFrozen = true
  await reconnected(client)
  const [, abandoned] = frozen.sockets
  expect(frozen.sockets).toHaveLength(2)
  if (abandoned?.destroyed === false) await once(abandoned, "close")
  // The connection to the other broker still answers, and no further connection was made.
  await client.flush()
  expect(client.getServer()).toBe(`127.0.0.1:${other.port}`)
  expect(other.sockets).toHaveLength(1)
})

it("a socket that is connected only after the client has given up is closed at once", async () => {
  closeAbandonedDials()
  const broker = await started()
  broker.isFrozen = true
  const transport = new NodeTransport()
  const dialled = transport.connect({ hostname: "127.0.0.1", port: broker.port, tlsName: "" }, {})
  await transport.close()
  await transport.close()
  await expect(dialled).rejects.toThrow()
  while (broker.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const [socket] = broker.sockets
  if (socket?.destroyed === false) await once(socket, "close")
  expect(socket?.destroyed).toBe(true)
})
