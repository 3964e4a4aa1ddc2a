import type { ServerResponse } from "node:http"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"
import { Effect, Result } from "effect"
import type { Context as HttpContext } from "hono"
import { type Observable, Subscription } from "rxjs"
import { encodeFeedPlace } from "../domain/FeedPlace.ts"
import { decodeRevision } from "../domain/Revision.ts"
import { decodeToken } from "../domain/Subject.ts"
import type { FeedFailure } from "../feed/Feed.ts"
import type { EndReason, FeedItem, ResetReason } from "../feed/FeedItem.ts"
import type { RevisionMessage } from "../nats/CommitStream.ts"
import { revisionBody } from "./AnswerBodies.ts"

export const eventStreamMediaType = "text/event-stream"

export const eventStreamHeaders = {
  "content-type": eventStreamMediaType,
  "cache-control": "no-store",
  connection: "close",
  // Proxies that gather what they pass on would hold events back.
  "x-accel-buffering": "no"
}

/** A reader with more bytes than this waiting for it, when the next event comes, is too slow. */
export const readerBytesMax = 128 * 1024
/** How long a client waits before it asks again, in milliseconds. */
const retryMilliseconds = 1_000
/** How long a reader has to take the end of its feed, in milliseconds, before the connection is cut. */
const endWaitMilliseconds = 5_000

// A clone is never the adapter's own light Response, in which it does not look for this mark: what the constant itself is
// depends on the order of imports.
const answeredAlready = (): Response => RESPONSE_ALREADY_SENT.clone()

const resetDetails: Readonly<Record<ResetReason, string>> = {
  "not-a-sequence": "The last id is not an id of this feed.",
  "beyond-the-end": "The last id is beyond the end of the ledger."
}

const endDetails: Readonly<Record<EndReason, string>> = {
  stopping: "This edge is stopping.",
  "too-slow": `More than ${readerBytesMax} bytes waited to be read, or none were read for some time.`,
  "ledger-replaced": "The ledger was replaced by another one.",
  unavailable: "The ledger cannot be read now."
}

const eventOf = (fields: { readonly name?: string; readonly id?: string; readonly data?: object }): string =>
  (fields.name === undefined ? "" : `event: ${fields.name}\n`) +
  (fields.id === undefined ? "" : `id: ${fields.id}\n`) +
  (fields.data === undefined ? "" : `data: ${JSON.stringify(fields.data)}\n`) +
  "\n"

/** One revision as an event; nothing where the ledger holds something else, which nobody but a hand could write. */
const appliedEvent = ({ userToken, place, storedAt, text }: RevisionMessage): string =>
  Result.getOrElse(
    Result.try(() => {
      const stored = { sequence: place.sequence, revision: decodeRevision(text) }
      return eventOf({ id: encodeFeedPlace(place), data: revisionBody(decodeToken(userToken), stored, storedAt) })
    }),
    () => ""
  )

const events = new WeakMap<RevisionMessage, string>()
const gatheredBytes = new WeakMap<ReadonlyArray<RevisionMessage>, Buffer>()

const remembered = <Key extends object, Value>(
  known: WeakMap<Key, Value>,
  key: Key,
  make: (key: Key) => Value
): Value => {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make(key)
  known.set(key, made)
  return made
}

/** What is written for an item. Readers of the same revisions share its bytes. */
const bytesOf = (item: FeedItem): Buffer | string => {
  switch (item.kind) {
    case "place":
      return `retry: ${retryMilliseconds}\n${eventOf({ id: encodeFeedPlace(item.place) })}`
    case "reset": {
      const { reason } = item
      const id = encodeFeedPlace(item.place)
      const data = { reason, detail: `${resetDetails[reason]} The feed goes on after ${id}.`, id }
      return `retry: ${retryMilliseconds}\n${eventOf({ name: "reset", id, data })}`
    }
    case "applied":
      return remembered(gatheredBytes, item.revisions, (revisions) =>
        Buffer.from(revisions.map((revision) => remembered(events, revision, appliedEvent)).join(""))
      )
    case "heartbeat":
      return ": still here\n\n"
    case "end": {
      const detail = `${endDetails[item.reason]} Ask again with the last id.`
      return eventOf({ name: "end", data: { reason: item.reason, detail } })
    }
  }
}

/**
 * Writes a feed to the socket itself: through a web stream each event would cost each reader some promises. What waits
 * in the socket's buffer is the only queue that a reader has. Succeeds when the answer has begun.
 */
export const sendEvents = (
  http: HttpContext,
  open: (ready: () => Promise<void>) => Observable<FeedItem>
): Effect.Effect<Response, FeedFailure> =>
  Effect.callback((resume) => {
    const { outgoing }: { readonly outgoing: ServerResponse } = http.env
    let taken = Promise.withResolvers<void>()
    let isStuck = false

    const write = (item: FeedItem) => {
      if (!outgoing.headersSent) {
        outgoing.writeHead(200, eventStreamHeaders)
        resume(Effect.succeed(answeredAlready()))
      }
      const bytes = bytesOf(item)
      if (bytes.length > 0) outgoing.write(bytes)
    }

    const end = (reason: EndReason) => {
      reading.unsubscribe()
      write({ kind: "end", reason })
      outgoing.end()
      const cut = setTimeout(() => outgoing.destroy(), endWaitMilliseconds)
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
      // Does nothing where the answer has begun.
      resume(Effect.interrupt)
    })
    const reading = new Subscription()
    const items = open(async () => (outgoing.writableNeedDrain ? taken.promise : undefined))
    reading.add(items.subscribe({ next: take, error: (failure: FeedFailure) => resume(Effect.fail(failure)) }))
  })
