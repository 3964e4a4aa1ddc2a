import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { HttpConnections } from "../../scripts/bench/HttpConnections.ts"

const opened: Array<() => void> = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

/** Starts a server that calls `answer` with each request as soon as the bytes of the request have come. */
const serve = async (answer: (socket: Socket, request: string, connection: number) => void) => {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    const connection = connections
    socket.on("data", (chunk) => answer(socket, chunk.toString(), connection)).on("error", () => undefined)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const client = new HttpConnections(`http://127.0.0.1:${port}`, 2)
  opened.push(() => (client.close(), server.close()))
  return { client, connections: () => connections }
}

const response = (body: string, status = 200): string =>
  `HTTP/1.1 ${status} Whatever\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

const pathOf = (request: string): string => request.split(" ")[1] ?? ""

describe("the connections of the benchmark's load", () => {
  it("a connection reads an answer that comes byte by byte", async () => {
    const { client } = await serve(async (socket) => {
      socket.setNoDelay(true)
      for (const byte of Buffer.from(response('{"price":"9 €"}', 201))) {
        socket.write(Uint8Array.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(await client.exchange("GET / HTTP/1.1\r\n\r\n")).toEqual({ status: 201, text: '{"price":"9 €"}' })
  })

  it("each request gets its own answer, and no more connections than allowed are opened", async () => {
    const { client, connections } = await serve((socket, request) => socket.write(response(pathOf(request))))
    const paths = Array.from({ length: 50 }, (_, index) => `/${index}`)
    const answers = await Promise.all(paths.map((path) => client.exchange(`GET ${path} HTTP/1.1\r\n\r\n`)))
    expect(answers.map(({ text }) => text)).toEqual(paths)
    expect(connections()).toBe(2)
  })

  it("a request on an idle connection that has just ended is sent again, and is counted as resent", async () => {
    const { client } = await serve((socket, request, connection) =>
      pathOf(request) === "/second" && connection === 1 ? socket.destroy() : socket.write(response("fine"))
    )
    await client.exchange("GET /first HTTP/1.1\r\n\r\n")
    expect((await client.exchange("GET /second HTTP/1.1\r\n\r\n")).text).toBe("fine")
    expect(client.resent).toBe(1)
  })

  it("a request fails if its answer breaks off, or if a new connection breaks", async () => {
    const { client } = await serve((socket, request) => {
      if (pathOf(request) === "/half") socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal")
      else socket.destroy()
    })
    await expect(client.exchange("GET /half HTTP/1.1\r\n\r\n")).rejects.toThrow("broke")
    await expect(client.exchange("GET /none HTTP/1.1\r\n\r\n")).rejects.toThrow("broke")
  })
})
