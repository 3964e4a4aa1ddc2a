import { once } from "node:events"
import { connect, createServer, type Server, type Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { until } from "../../../src/harness/system/TestBroker.ts"
import { type Direction, Proxy } from "../../../src/harness/faults/Proxy.ts"

/** Returns one end of a connection, with all bytes that this end has received. */
const endOf = (socket: Socket) => {
  const end = { socket, text: "", isClosed: false }
  socket.on("data", (chunk: Buffer) => void (end.text += chunk.toString()))
  socket.on("error", () => undefined)
  socket.on("close", () => void (end.isClosed = true))
  return end
}

describe("The proxy of fault runs", () => {
  let server: Server
  let proxy: Proxy
  const open = new Set<Socket>()

  beforeEach(async () => {
    server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    proxy = await Proxy.to(typeof address === "object" ? (address?.port ?? 0) : 0)
  })

  afterEach(async () => {
    for (const socket of open) socket.destroy()
    open.clear()
    await proxy.close()
    server.close()
    await once(server, "close")
  })

  const connected = async () => {
    const accepted = once(server, "connection") as Promise<[Socket]>
    const client = connect(proxy.port, "127.0.0.1")
    const [socket] = await accepted
    open.add(socket).add(client)
    return { client: endOf(client), broker: endOf(socket) }
  }

  const exchange = async (name: string, { client, broker }: Awaited<ReturnType<typeof connected>>) => {
    client.socket.write(`${name}>`)
    broker.socket.write(`${name}<`)
    await until("both came through", () => broker.text.includes(`${name}>`) && client.text.includes(`${name}<`))
  }

  it("the proxy passes bytes in both directions, and closes the other side when one side closes", async () => {
    const ends = await connected()
    await exchange("a", ends)
    ends.client.socket.destroy()
    await until("the other side is closed", () => ends.broker.isClosed)
    const others = await connected()
    others.broker.socket.destroy()
    await until("the other side is closed", () => others.client.isClosed)
  })

  it.each(["out", "in"] as const)(
    "the proxy holds back only the bytes in the direction %s, and delivers them when the cut ends",
    async (cut) => {
      const ends = await connected()
      await exchange("before", ends)
      proxy.cut([cut])
      ends.client.socket.write("cut>")
      ends.broker.socket.write("cut<")
      const [open, shut] = cut === "out" ? [ends.client, ends.broker] : [ends.broker, ends.client]
      await until("the open direction leads on", () => open.text.includes("cut"))
      // An answer on another connection shows that the bytes that are held back had time to arrive.
      const others = await connected()
      const [openOther, shutOther] = cut === "out" ? [others.client, others.broker] : [others.broker, others.client]
      openOther.socket.write("x")
      shutOther.socket.write("y")
      await until("the open direction leads on", () => openOther.text === "y")
      expect({ wasCutSeen: shut.text.includes("cut"), otherText: shutOther.text }).toEqual({
        wasCutSeen: false,
        otherText: ""
      })
      proxy.heal()
      await until("it came", () => shut.text.includes("cut") && shutOther.text === "x")
      await exchange("after", ends)
    }
  )

  it("the proxy delivers the bytes that were sent before the sender closed, and then closes the connection", async () => {
    const both: ReadonlyArray<Direction> = ["out", "in"]
    const { client, broker } = await connected()
    await exchange("before", { client, broker })
    proxy.cut(both)
    client.socket.end("late>")
    await once(client.socket, "finish")
    expect(broker.isClosed).toBe(false)
    proxy.heal()
    await until("the end came", () => broker.isClosed)
    expect(broker.text).toBe("before>late>")
  })
})
