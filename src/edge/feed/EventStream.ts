import type { ServerResponse } from "node:http"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"
import { Duration, Effect } from "effect"
import type { Context as HttpContext } from "hono"
import { type Observable, Subscription } from "rxjs"
import type { FeedFailure } from "../../feed/Feed.ts"
import type { EndReason, FeedItem } from "../../feed/FeedItem.ts"
import { callerOf } from "../access/Caller.ts"
import type { EdgeRuntime } from "../runtime/EdgeRuntime.ts"
import { type EventBytes, readerBytesMax } from "../runtime/EventBytes.ts"

export const eventStreamMediaType = "text/event-stream"

export const eventStreamHeaders = {
  "content-type": eventStreamMediaType,
  "cache-control": "no-store",
  connection: "close",
  // Tells a proxy not to buffer the answer: a buffer would hold events back.
  "x-accel-buffering": "no"
}

/**
 * The time within which a reader must take the last event of its feed. After this time the edge cuts the connection of
 * the reader.
 */
const endWait = Duration.seconds(5)

// Returns the response with which a handler tells Hono's adapter for Node that the answer is already written. The
// adapter has two classes of responses, and recognises RESPONSE_ALREADY_SENT only in the standard class. A clone of
// RESPONSE_ALREADY_SENT has the standard class. The class of RESPONSE_ALREADY_SENT itself depends on the order of
// imports.
const answeredAlready = (): Response => RESPONSE_ALREADY_SENT.clone()

/**
 * Writes a feed directly to the socket. Through a web stream, each event would cost some promises for each reader. The
 * socket's buffer is the only queue of a reader. Succeeds when the answer has begun, and is interrupted if the reader
 * leaves before the answer begins. Ends the feed when the rights of the caller end.
 */
export const sendEvents = (
  edge: Pick<EdgeRuntime, "access">,
  http: HttpContext,
  eventBytes: EventBytes,
  open: (ready: () => Promise<void>) => Observable<FeedItem>
): Effect.Effect<Response, FeedFailure> =>
  Effect.callback((resume) => {
    const { outgoing }: { readonly outgoing: ServerResponse } = http.env
    const { access } = edge
    let taken = Promise.withResolvers<void>()
    let isStuck = false
    const reading = new Subscription()

    const write = (item: FeedItem) => {
      if (!outgoing.headersSent) {
        outgoing.writeHead(200, eventStreamHeaders)
        resume(Effect.succeed(answeredAlready()))
      }
      const bytes = eventBytes.of(item)
      if (bytes.length > 0) outgoing.write(bytes)
    }

    const end = (reason: EndReason) => {
      reading.unsubscribe()
      write({ kind: "end", reason })
      outgoing.end()
      const cut = setTimeout(() => outgoing.destroy(), Duration.toMillis(endWait))
      outgoing.once("close", () => clearTimeout(cut))
    }

    const take = (item: FeedItem) => {
      if (item.kind === "end") return end(item.reason)
      if (item.kind === "heartbeat" && outgoing.writableNeedDrain) {
        if (isStuck) return end("too-slow")
        isStuck = true
        return
      }
      if (outgoing.writableLength > readerBytesMax) return end("too-slow")
      write(item)
    }

    outgoing.on("drain", () => {
      isStuck = false
      taken.resolve()
      taken = Promise.withResolvers()
    })
    outgoing.once("close", () => {
      reading.unsubscribe()
      // This call of `resume` does nothing if the answer has begun.
      resume(Effect.interrupt)
    })
    if (access !== undefined) reading.add(access.onEnd(callerOf(edge, http), () => end("token-ended")))
    const items = open(async () => (outgoing.writableNeedDrain ? taken.promise : undefined))
    reading.add(items.subscribe({ next: take, error: (failure: FeedFailure) => resume(Effect.fail(failure)) }))
  })
