import type { AppliedRevision, UserAlerts } from "./Answers.ts"
import { NoAnswer } from "./Failure.ts"
import { eventsOf, linesOf, type ServerSentEvent } from "./Lines.ts"
import { lineNeeds } from "./Runtime.ts"
import { type CallOptions, jsonIn, type Transport } from "./Transport.ts"

/**
 * The longest silence of a feed after which the client opens the feed again, in milliseconds. The service sends a
 * comment in each feed every 15 s.
 */
const silenceMillisecondsMax = 45_000

/** The names of events with a commit or with alerts. The event of a commit with reversals has the name `reversal`. */
const newsNames: ReadonlySet<string> = new Set(["", "reversal"])

/**
 * An event of a feed. The `id` of the event is opaque text. A feed that is opened with this `id` begins behind the
 * event.
 */
export type FeedEvent =
  | { readonly kind: "applied"; readonly id: string; readonly applied: AppliedRevision }
  /**
   * The given `after` is not an id of this ledger. The feed goes on after `id`; read the account for everything before
   * `id`.
   */
  | { readonly kind: "reset"; readonly id: string; readonly reason: string; readonly detail: string }

export interface FeedOptions extends CallOptions {
  /** The user whose feed is read. Without a user the feed has all users. */
  readonly userId?: string
  /** The id after which the feed goes on; `"0"` is the beginning. Without an id the feed begins now. */
  readonly after?: string
}

/**
 * An event of a feed of alerts. The `id` of the event is opaque text. A feed that is opened with this `id` begins
 * behind the event.
 */
export type AlertEvent =
  | { readonly kind: "alerts"; readonly id: string; readonly told: UserAlerts }
  | Extract<FeedEvent, { readonly kind: "reset" }>

/** Makes the event that the caller gets, from the id and the data of a server-sent event. */
type EventOf<Event> = (id: string, body: unknown) => Event

export const appliedEvent: EventOf<FeedEvent> = (id, body) => ({
  kind: "applied",
  id,
  applied: body as AppliedRevision
})
export const alertEvent: EventOf<AlertEvent> = (id, body) => ({ kind: "alerts", id, told: body as UserAlerts })

/**
 * Returns the event for the caller; `undefined` if the event has no data or an unknown name. Throws a NoAnswer if the
 * feed ends.
 */
const feedEventOf = <Event>(
  { name, id, data }: ServerSentEvent,
  path: string,
  eventOf: EventOf<Event>
): Event | Extract<FeedEvent, { readonly kind: "reset" }> | undefined => {
  if (data === "") return undefined
  const body = jsonIn(data, 200, path)
  if (name === "end") throw new NoAnswer((body as { readonly detail: string }).detail)
  if (name === "reset") return { kind: "reset", id, ...(body as { reason: string; detail: string }) }
  return newsNames.has(name) ? eventOf(id, body) : undefined
}

/** Aborts its signal when a feed was silent for {@link silenceMillisecondsMax}. */
class Silence {
  private readonly controller = new AbortController()
  private timer: ReturnType<typeof setTimeout> | undefined

  signal(outer: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.controller.signal, ...(outer === undefined ? [] : [outer])])
  }

  /** Starts the timer of the silence again, because the service has sent something. */
  heard(): void {
    this.paused()
    this.timer = setTimeout(() => this.controller.abort(new NoAnswer("the feed fell silent")), silenceMillisecondsMax)
  }

  /** Stops the timer of the silence, because the caller does not read. */
  paused(): void {
    clearTimeout(this.timer)
  }

  /** Closes the connection if it is still open. */
  end(): void {
    this.paused()
    this.controller.abort()
  }
}

/** Yields the events of a feed. When the feed breaks off, opens the feed again after the last event. */
export async function* readFeed<Event>(
  transport: Transport,
  path: string,
  options: FeedOptions,
  eventOf: EventOf<Event>
): AsyncGenerator<Event | Extract<FeedEvent, { readonly kind: "reset" }>> {
  transport.requireRuntime(lineNeeds)
  let last = options.after
  // The timeout of the call runs until the first event of the service. After the first event, `Silence` watches the
  // connection.
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
          // While the caller works on an event, the client reads nothing, so the timer of the silence is stopped.
          silence.paused()
          if (event !== undefined) {
            const found = feedEventOf(event, path, eventOf)
            if (event.id !== "") last = event.id
            if (found !== undefined) yield found
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
