import type { AppliedRevision } from "./Answers.ts"
import { NoAnswer } from "./Failure.ts"
import { eventsOf, linesOf, type ServerSentEvent } from "./Lines.ts"
import { lineNeeds } from "./Runtime.ts"
import { type CallOptions, jsonIn, type Transport } from "./Transport.ts"

/** A feed on which nothing was heard for this long, in milliseconds, is asked for again; signs of life come every 15 s. */
const silenceMax = 45_000

/** What a feed tells. `id` is the place to go on after, as opaque text. */
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

const feedEventOf = ({ name, id, data }: ServerSentEvent, path: string): FeedEvent | undefined => {
  if (data === "") return undefined
  const told = jsonIn(data, 200, path)
  if (name === "end") throw new NoAnswer((told as { readonly detail: string }).detail)
  if (name === "reset") return { kind: "reset", id, ...(told as { reason: string; detail: string }) }
  return name === "" ? { kind: "applied", id, applied: told as AppliedRevision } : undefined
}

/** Ends what takes its signal when nothing is heard for too long. */
class Silence {
  private readonly controller = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined

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
  transport.requireRuntime(lineNeeds)
  let last = options.after
  // Time counts until something is heard. From then on the signs of life say whether the connection is there.
  const patience = transport.patience(options.signal)
  try {
    for (let attempt = 1; ; attempt += 1) {
      const silence = new Silence()
      try {
        silence.heard()
        patience.start()
        const headers = { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": last }) }
        const { body } = await transport.send(path, { headers }, silence.signal(patience.signal))
        for await (const event of eventsOf(linesOf(body))) {
          attempt = 0
          patience.stop()
          // While the caller has an event, nothing is read, and so nothing is heard.
          silence.paused()
          if (event !== undefined) {
            const told = feedEventOf(event, path)
            if (event.id !== "") last = event.id
            if (told !== undefined) yield told
          }
          silence.heard()
        }
        throw new NoAnswer("the feed broke off")
      } catch (failure) {
        await transport.beforeNext(Math.max(1, attempt), failure, patience)
      } finally {
        silence.end()
      }
    }
  } finally {
    patience.stop()
  }
}
