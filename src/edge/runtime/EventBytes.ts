import { Result } from "effect"
import { encodeFeedPlace, type FeedPlace } from "../../protocol/FeedPlace.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { decodeToken } from "../../protocol/Subject.ts"
import type { EndReason, FeedItem, ResetReason } from "../../feed/FeedItem.ts"
import type { RevisionMessage } from "../../nats/CommitStream.ts"
import { revisionBody } from "../contract/AnswerBodies.ts"

/** A reader is too slow if more than this many bytes wait for it when the next event comes. */
export const readerBytesMax = 128 * 1024
/** How long a client waits before it asks again, in milliseconds. */
const retryMilliseconds = 1_000

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

/** Writes a revision as an event. Returns an empty text for an unreadable record, which somebody wrote by hand. */
const appliedEvent = ({ userToken, place, storedAt, text }: RevisionMessage): string =>
  Result.getOrElse(
    Result.try(() => {
      const stored = { sequence: place.sequence, revision: decodeRevision(text) }
      return eventOf({ id: encodeFeedPlace(place), data: revisionBody(decodeToken(userToken), stored, storedAt) })
    }),
    () => ""
  )

const resetEvent = (place: FeedPlace, reason: ResetReason): string => {
  const id = encodeFeedPlace(place)
  const data = { reason, detail: `${resetDetails[reason]} The feed goes on after ${id}.`, id }
  return `retry: ${retryMilliseconds}\n${eventOf({ name: "reset", id, data })}`
}

const endEvent = (reason: EndReason): string =>
  eventOf({ name: "end", data: { reason, detail: `${endDetails[reason]} Ask again with the last id.` } })

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

/** Writes the items of feeds as server-sent events. All readers of an edge share the bytes of the same revisions. */
export class EventBytes {
  private readonly events = new WeakMap<RevisionMessage, string>()
  private readonly pages = new WeakMap<ReadonlyArray<RevisionMessage>, Buffer>()

  /** Returns the event of an item as text or bytes. The text is empty if no revision of the item can be read. */
  of(item: FeedItem): Buffer | string {
    switch (item.kind) {
      case "start":
        return `retry: ${retryMilliseconds}\n${eventOf({ id: encodeFeedPlace(item.place) })}`
      case "reset":
        return resetEvent(item.place, item.reason)
      case "applied":
        return remembered(this.pages, item.revisions, (revisions) =>
          Buffer.from(revisions.map((revision) => remembered(this.events, revision, appliedEvent)).join(""))
        )
      case "heartbeat":
        return ": still here\n\n"
      case "end":
        return endEvent(item.reason)
    }
  }
}
