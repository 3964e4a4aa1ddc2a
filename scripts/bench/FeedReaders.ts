import { getRequest } from "./HttpRequest.ts"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { until } from "../../src/harness/system/TestBroker.ts"

const openedAtOnce = 100

/**
 * The bytes before the id of an event in a feed. Each event of a feed has an id, and the start of a feed has an id too.
 */
const idField = Buffer.from("\nid: ")
const idsIn = (chunk: Buffer): number => {
  let ids = 0
  for (let at = chunk.indexOf(idField); at !== -1; at = chunk.indexOf(idField, at + 1)) ids += 1
  return ids
}

/** Reads an edge's feeds with many readers, each with a connection of its own. */
export class FeedReaders {
  private readonly sockets: Array<Socket> = []
  private readonly events: Array<number> = []
  private readonly begun = new Set<Socket>()
  /** The number of feeds that the edge ended. */
  lost = 0

  /** Opens a feed for each of these paths. The first `stuck` readers read only the beginning of their feeds. */
  static async open(edgeUrl: string, paths: ReadonlyArray<string>, stuck = 0): Promise<FeedReaders> {
    const readers = new FeedReaders()
    for (const [index, path] of paths.entries()) {
      readers.add(Number(new URL(edgeUrl).port), path, index < stuck)
      if (index % openedAtOnce === openedAtOnce - 1) await readers.haveBegun()
    }
    await readers.haveBegun()
    return readers
  }

  /** The number of events that all readers together have received. */
  get total(): number {
    return this.events.reduce((sum, events) => sum + events, 0)
  }

  /** Waits until all readers together have received a number of events. */
  async haveAll(total: number): Promise<void> {
    await until(`${total} events have come to the readers`, () => this.total >= total, 60_000)
  }

  async close(): Promise<void> {
    const ended = this.sockets.filter(({ closed }) => !closed).map((socket) => once(socket, "close"))
    for (const socket of this.sockets) socket.removeAllListeners("end").destroy()
    await Promise.all(ended)
  }

  private haveBegun(): Promise<void> {
    return until("the feeds have begun", () => this.begun.size === this.sockets.length, 60_000)
  }

  private add(port: number, path: string, isStuck: boolean): void {
    const index = this.events.push(0) - 1
    const socket = connect(port, "127.0.0.1", () => socket.write(getRequest(path)))
    this.sockets.push(socket)
    socket.on("error", () => undefined)
    socket.once("end", () => void (this.lost += 1))
    socket.on("data", (chunk: Buffer) => {
      const isFirst = !this.begun.has(socket)
      this.begun.add(socket)
      this.events[index] = (this.events[index] ?? 0) + idsIn(chunk) - (isFirst ? 1 : 0)
      if (isFirst && isStuck) socket.pause()
    })
  }
}
