import { once } from "node:events"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"

export interface PrefixProxy {
  readonly url: string
  /** Answers 502 to paths that match, this many times, and ends their open requests. */
  readonly refuse: (path: RegExp, times: number) => void
  /** The paths of the requests, with their queries, as callers wrote them. */
  readonly paths: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

/** Serves an edge below a prefix, which it removes. The proxy streams bodies in both directions. */
export const startPrefixProxy = async (port: number, prefix: string): Promise<PrefixProxy> => {
  const paths: Array<string> = []
  const open = new Map<string, () => void>()
  let refused: { readonly path: RegExp; left: number } = { path: /^$/, left: 0 }
  const server = createServer((incoming, outgoing) => {
    const { url = "", method, headers } = incoming
    paths.push(url)
    if (!url.startsWith(`${prefix}/`)) return void outgoing.writeHead(404).end("not below the prefix")
    if (refused.left > 0 && refused.path.test(url)) {
      refused.left -= 1
      return void outgoing.writeHead(502, { "content-type": "text/html" }).end("<h1>502 Bad Gateway</h1>")
    }
    const asking = request({ host: "127.0.0.1", port, method, headers, path: url.slice(prefix.length), agent: false })
    const end = () => {
      asking.destroy()
      outgoing.destroy()
    }
    open.set(url, end)
    outgoing.once("close", () => {
      open.delete(url)
      asking.destroy()
    })
    asking.on("error", end)
    asking.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
      outgoing.flushHeaders()
      answer.on("error", end)
      answer.pipe(outgoing)
    })
    incoming.pipe(asking)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    refuse: (path, times) => {
      refused = { path, left: times }
      for (const [url, end] of open) if (path.test(url)) end()
    },
    paths,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    }
  }
}
