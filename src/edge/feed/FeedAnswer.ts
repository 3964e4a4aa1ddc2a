import { Effect, Schema } from "effect"
import type { Context as HttpContext } from "hono"
import type { StreamFeed } from "../../feed/Feed.ts"
import { singleHeader } from "../contract/HeaderLines.ts"
import type { HeaderParameter, Parameter } from "../route/Route.ts"
import { type EdgeRuntime, stopping } from "../runtime/EdgeRuntime.ts"
import type { EventBytes } from "../runtime/EventBytes.ts"
import { eventStreamHeaders, sendEvents } from "./EventStream.ts"

/**
 * Reads the id of the last event that a client has. The parameter does not check the id, because clients of feeds see
 * no status: a `reset` event reports a wrong id.
 */
const placeParameter = (description: string): Parameter<string | undefined> => ({
  description,
  documented: Schema.String,
  read: (text) => text || undefined
})

const lastEventIdQuery = placeParameter(
  "The same as the header `Last-Event-ID`, for a new `EventSource`, which can send no header. If both are given, the header counts. A browser that connects again sends the old URL with a newer header."
)

/**
 * Returns the query and header parameters of a feed. `meaning` says what an id of an event means in this kind of feed.
 */
export const resuming = (meaning: string) => {
  const header: HeaderParameter<string | undefined> = {
    ...placeParameter(`The feed goes on after the event with this id. ${meaning}`),
    textOf: (http) => singleHeader(http, "Last-Event-ID")
  }
  return { query: { lastEventId: lastEventIdQuery }, headers: { "last-event-id": header } } as const
}

/** A request for a feed, and the parts with which the request is answered. */
interface FeedAnswer {
  readonly edge: EdgeRuntime
  readonly http: HttpContext
  readonly request: { readonly "last-event-id": string | undefined; readonly lastEventId: string | undefined }
  readonly feed: StreamFeed
  readonly eventBytes: EventBytes
  /** The subject token of the feed's user. Without a token, the feed has all users. */
  readonly userToken?: string
}

/** Answers a request with the events of a feed. */
export const sendFeed = Effect.fnUntraced(function* (answer: FeedAnswer) {
  const { edge, http, request, feed, eventBytes, userToken } = answer
  const lastEventId = request["last-event-id"] ?? request.lastEventId
  if (edge.isDraining()) return yield* Effect.fail(stopping)
  if (http.req.method === "HEAD") return new Response(null, { headers: eventStreamHeaders })
  return yield* sendEvents(edge, http, eventBytes, (ready) =>
    feed.open({
      ready,
      ...(userToken === undefined ? {} : { userToken }),
      ...(lastEventId === undefined ? {} : { lastEventId })
    })
  )
})
