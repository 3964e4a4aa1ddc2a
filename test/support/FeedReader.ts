import { once } from "node:events"
import { type ClientRequest, get, type IncomingMessage } from "node:http"
import { exactJson } from "../../src/harness/system/Shopper.ts"
import { until } from "../../src/harness/system/TestBroker.ts"

/** One event of a feed. A comment or an id alone is an event without data. */
export interface FeedEvent {
  readonly name: string
  /** The place of the event, as opaque text. */
  readonly id?: string
  // oxlint-disable-next-line typescript/no-explicit-any -- each test checks the values that it reads
  readonly data?: any
  readonly comment?: string
}

const eventOf = (block: string): FeedEvent => {
  const fields = new Map<string, string>()
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":")
    fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart())
  }
  const [id, data, comment] = [fields.get("id"), fields.get("data"), fields.get("")]
  return {
    name: fields.get("event") ?? "message",
    ...(id === undefined ? {} : { id }),
    ...(data === undefined ? {} : { data: exactJson(data) }),
    ...(comment === undefined ? {} : { comment })
  }
}

/** A reader of a feed, over its own socket. */
export class FeedReader {
  readonly events: Array<FeedEvent> = []
  private readonly request: ClientRequest
  private readonly response: IncomingMessage
  private rest = ""
  hasEnded = false
  /** Resolves when the feed has ended. */
  readonly ended: Promise<void>

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.request = request
    this.response = response
    response.setEncoding("utf8")
    response.on("data", (text: string) => {
      const blocks = (this.rest + text).split("\n\n")
      this.rest = blocks.pop() ?? ""
      this.events.push(...blocks.map(eventOf))
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    response.on("close", () => {
      this.hasEnded = true
      resolve()
    })
    response.on("error", () => undefined)
  }

  /** Opens a feed that is answered with 200, and waits for its beginning. */
  static async open(port: number, path: string, lastEventId?: string): Promise<FeedReader> {
    const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId }
    const request = get({ port, host: "127.0.0.1", path, agent: false, headers })
    const [response] = (await once(request, "response")) as [IncomingMessage]
    if (response.statusCode !== 200) throw new Error(`GET ${path}: ${response.statusCode}`)
    request.on("error", () => undefined)
    const reader = new FeedReader(request, response)
    await until(`the feed ${path} begins`, () => reader.events.length > 0)
    return reader
  }

  get status(): number | undefined {
    return this.response.statusCode
  }

  /** The events with applied purchases. */
  get applied(): ReadonlyArray<FeedEvent> {
    return this.events.filter(({ name, data }) => name === "message" && data !== undefined)
  }

  /** The ids of all purchases, in the order in which they came. */
  get purchaseIds(): ReadonlyArray<string> {
    return this.applied.flatMap(({ data }) =>
      data.purchases.map((one: { readonly purchaseId: string }) => one.purchaseId)
    )
  }

  /** The id after which a client would resume. */
  get lastEventId(): string {
    return this.events.findLast(({ id }) => id !== undefined)?.id ?? "0"
  }

  /** Stops reading the feed, as a client that hangs does. */
  pause(): void {
    this.response.pause()
  }

  resume(): void {
    this.response.resume()
  }

  close(): void {
    this.request.destroy()
  }
}
