import { Result } from "effect"
import { encodeFeedPlace, type FeedPlace } from "../../protocol/FeedPlace.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { decodeToken } from "../../protocol/Subject.ts"
import type { EndReason, FeedItem, ResetReason } from "../../feed/FeedItem.ts"
import type { FeedMessage } from "../../nats/FollowedStream.ts"
import { decodeAlerts } from "../../rules/Alert.ts"
import { alertsBody } from "../contract/AlertBodies.ts"
import { revisionBody } from "../contract/AnswerBodies.ts"

/** A reader is too slow if more than this many bytes wait for the reader when the next event comes. */
export const readerBytesMax = 128 * 1024
/** How long a client waits before it opens a feed again, in milliseconds. */
const retryMilliseconds = 1_000

/** The name of the event of a commit with a reversal, or with a repeat of a reversal. */
export const reversalEventName = "reversal"

/** The texts of the events of one kind of feed. */
export interface EventTexts {
  /** Names the stream of the feed in messages to people, like `the ledger`. */
  readonly stream: string
  /**
   * Returns the data of the event of a message, and a name if the event has a name. Throws if the message cannot be
   * read.
   */
  readonly told: (message: FeedMessage) => { readonly name?: string; readonly data: object }
}

/** The events of feeds of purchases. */
export const purchaseEvents: EventTexts = {
  stream: "the ledger",
  told: ({ userToken, place, storedAt, text }) => {
    const revision = { sequence: place.sequence, revision: decodeRevision(text) }
    const data = revisionBody(decodeToken(userToken), revision, storedAt)
    return "reversals" in data ? { name: reversalEventName, data } : { data }
  }
}

/** The events of feeds of alerts. */
export const alertEvents: EventTexts = {
  stream: "the alerts",
  told: ({ userToken, storedAt, text }) => ({
    data: alertsBody(decodeToken(userToken), decodeAlerts(text), storedAt)
  })
}

const endDetails: Readonly<Record<EndReason, string>> = {
  stopping: "This edge is stopping.",
  "too-slow": `More than ${readerBytesMax} bytes waited to be read, or none were read for some time.`,
  "ledger-replaced": "The ledger was replaced by another one.",
  unavailable: "The ledger cannot be read now.",
  "token-ended": "The token has expired or was revoked."
}

const eventOf = (fields: { readonly name?: string; readonly id?: string; readonly data?: object }): string =>
  (fields.name === undefined ? "" : `event: ${fields.name}\n`) +
  (fields.id === undefined ? "" : `id: ${fields.id}\n`) +
  (fields.data === undefined ? "" : `data: ${JSON.stringify(fields.data)}\n`) +
  "\n"

/** Writes a message as an event. Returns an empty text for an unreadable message, which somebody wrote by hand. */
const messageEvent = ({ told }: EventTexts, message: FeedMessage): string =>
  Result.getOrElse(
    Result.try(() => eventOf({ id: encodeFeedPlace(message.place), ...told(message) })),
    () => ""
  )

const resetDetails: Readonly<Record<ResetReason, (stream: string) => string>> = {
  "not-a-sequence": () => "The last id is not an id of this feed.",
  "beyond-the-end": (stream) => `The last id is beyond the end of ${stream}.`,
  removed: (stream) => `After the last id, some of ${stream} were removed, because they are kept for a limited time.`
}

const resetEvent = ({ stream }: EventTexts, place: FeedPlace, reason: ResetReason): string => {
  const id = encodeFeedPlace(place)
  const data = { reason, detail: `${resetDetails[reason](stream)} The feed goes on after ${id}.`, id }
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

/** Writes the items of feeds as server-sent events. All readers of an edge share the bytes of the same messages. */
export class EventBytes {
  private readonly texts: EventTexts
  private readonly events = new WeakMap<FeedMessage, string>()
  private readonly pages = new WeakMap<ReadonlyArray<FeedMessage>, Buffer>()

  constructor(texts: EventTexts) {
    this.texts = texts
  }

  /**
   * Returns the event of an item as text or bytes. The event of an item is an empty text if no message of the item can
   * be read.
   */
  of(item: FeedItem): Buffer | string {
    switch (item.kind) {
      case "start":
        return `retry: ${retryMilliseconds}\n${eventOf({ id: encodeFeedPlace(item.place) })}`
      case "reset":
        return resetEvent(this.texts, item.place, item.reason)
      case "messages":
        return remembered(this.pages, item.messages, (messages) =>
          Buffer.from(messages.map((message) => this.eventOf(message)).join(""))
        )
      case "heartbeat":
        return ": still here\n\n"
      case "end":
        return endEvent(item.reason)
    }
  }

  private eventOf(message: FeedMessage): string {
    return remembered(this.events, message, (message) => messageEvent(this.texts, message))
  }
}
