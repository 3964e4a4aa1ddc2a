import { Duration, Effect } from "effect"
import { AuditReader } from "../nats/AuditReader.ts"
import type { PulledMessage } from "../nats/JournalPull.ts"
import { BrokerUnavailable } from "../protocol/BrokerError.ts"

/** The most readings that end without a message, one after the other, before the audit fails. */
const fruitlessReadingsMax = 5
/** The wait for a message after which the reading begins again, because the messages may be purged by now. */
const messageWait = Duration.seconds(2)

/** A part of a stream that an audit reads: the messages after a sequence, up to another one. */
export interface ReadPart {
  readonly stream: "journal" | "input"
  readonly after: number
  readonly through: number
}

const operations = { journal: "read the journal", input: "read the input log" } as const

/**
 * Calls `take` with each message of a part of a stream, in order and once each. Purged messages are left out. Begins
 * again behind the last message if the connection breaks or the broker is silent.
 */
export const readStream = Effect.fnUntraced(function* (
  { stream, after, through }: ReadPart,
  take: (message: PulledMessage) => void
) {
  const reader = yield* AuditReader
  let done = after
  const reading = Effect.gen(function* () {
    const pull = yield* reader[stream](done)
    if (pull.pending === 0) return undefined
    while (true) {
      const messages = yield* Effect.timeoutOption(pull.take, messageWait)
      if (messages._tag === "None") return "the broker sent no message"
      for (const message of messages.value) {
        if (message.sequence > through) return undefined
        take(message)
        done = message.sequence
        if (done === through || message.pending === 0) return undefined
      }
    }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("ReadingOver", ({ reason }) => Effect.succeed(reason))
  )
  let fruitless = 0
  while (true) {
    const before = done
    const reason = done >= through ? undefined : yield* reading
    if (reason === undefined) return
    fruitless = done === before ? fruitless + 1 : 0
    if (fruitless === fruitlessReadingsMax) {
      return yield* new BrokerUnavailable({ operation: operations[stream], reason })
    }
  }
})
