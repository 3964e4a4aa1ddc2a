import { parseExact } from "./Amount.ts"
import type { AppliedRevision } from "./Answers.ts"
import { NoAnswer } from "./Failure.ts"
import { eventsOf, linesOf, type ServerSentEvent } from "./Lines.ts"
import type { CallOptions, Transport } from "./Transport.ts"

/** A feed on which nothing was heard for this long, in milliseconds, is asked for again; signs of life come every 15 s. */
const silenceMax = 45_000

/** What a feed tells. `id` is the place to go on after. */
export type FeedEvent =
  | { readonly kind: "applied"; readonly id: string; readonly applied: AppliedRevision }
  /** The asked-for place is none: what came before `id` has to be read elsewhere. */
  | { readonly kind: "reset"; readonly id: string; readonly reason: string; readonly detail: string }

export interface FeedOptions extends CallOptions {
  /** One user's feed; without it that of all. */
  readonly userId?: string
  /** Goes on after this id, and `"0"` is the beginning; without it the feed tells what is applied from now on. */
  readonly after?: string
}

const feedEventOf = ({ name, id, data }: ServerSentEvent): FeedEvent | undefined => {
  if (name === "end") throw new NoAnswer((JSON.parse(data) as { readonly detail: string }).detail)
  if (name === "reset") return { kind: "reset", id, ...(JSON.parse(data) as { reason: string; detail: string }) }
  return name === "" && data !== "" ? { kind: "applied", id, applied: parseExact(data) as AppliedRevision } : undefined
}

/** Ends what takes its signal when nothing is heard for too long. */
class Silence {
  private readonly controller = new AbortController()
  private timer: NodeJS.Timeout | undefined

  signal(outer: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.controller.signal, ...(outer === undefined ? [] : [outer])])
  }

  heard(): void {
    this.paused()
    this.timer = setTimeout(() => this.controller.abort(new NoAnswer("the feed fell silent")), silenceMax)
  }

  paused(): void {
    clearTimeout(this.timer)
  }

  /** Closes the connection, where it is still open. */
  end(): void {
    this.paused()
    this.controller.abort()
  }
}

/** Reads a feed, and goes on after its last event when it breaks off. */
export async function* readFeed(transport: Transport, path: string, options: FeedOptions): AsyncGenerator<FeedEvent> {
  let last = options.after
  for (let attempt = 1; ; attempt += 1) {
    const silence = new Silence()
    try {
      silence.heard()
      const headers = { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": last }) }
      const { body } = await transport.send(path, { headers }, silence.signal(options.signal))
      for await (const event of eventsOf(linesOf(body))) {
        attempt = 0
        // While the caller has an event, nothing is read, and so nothing is heard.
        silence.paused()
        if (event !== undefined) {
          const told = feedEventOf(event)
          if (event.id !== "") last = event.id
          if (told !== undefined) yield told
        }
        silence.heard()
      }
      throw new NoAnswer("the feed broke off")
    } catch (failure) {
      await transport.beforeNext(Math.max(1, attempt), failure, options.signal)
    } finally {
      silence.end()
    }
  }
}
