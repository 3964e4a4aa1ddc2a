import { Effect, Schema } from "effect"
import { BrokerUnavailable, type BrokerFailure } from "../../src/protocol/BrokerError.ts"
import { formerLedgerStream } from "../../src/protocol/Subject.ts"
import type { BrokerConnection } from "../../src/nats/client/Connection.ts"
import { askJetStream, readMessage, type StoredMessage } from "../../src/nats/client/JetStreamApi.ts"
import { readReplica } from "../../src/nats/client/ReplicaRead.ts"

const prefix = "$KV.ledger."
/** The keys of the former layout whose values the upgrade takes over. */
export const formerFilter = {
  revisions: "account.*",
  rejected: "rejected.*.*",
  replayed: "replayed.*.*"
} as const
/** About the most bytes of one page. */
const pageBytesMax = 1024 * 1024

const PositionRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), position: Schema.Int }))
const decodePosition = Schema.decodeUnknownSync(PositionRecord)

/** A value of the former layout. */
export interface FormerValue {
  readonly key: string
  readonly sequence: number
  readonly text: string
}

/**
 * The size of the stream of the former layout. The size of the former stream must be the same before and after the
 * upgrade.
 */
export interface FormerState {
  readonly messages: number
  readonly bytes: number
  readonly lastSequence: number
  /** The number of keys, which is at least the number of accounts. */
  readonly keys: number
}

interface StreamInfo {
  readonly state: {
    readonly messages: number
    readonly bytes: number
    readonly last_seq: number
    readonly num_subjects?: number
  }
  /**
   * The cluster of the stream, which only a broker in a cluster names. A broker of a cluster without a leader answers
   * too, but with old values.
   */
  readonly cluster?: { readonly leader?: string }
}

const stateOf = ({ state: { messages, bytes, last_seq, num_subjects } }: StreamInfo): FormerState => ({
  messages,
  bytes,
  lastSequence: last_seq,
  keys: num_subjects ?? 0
})

const valueOf = ({ subject, sequence, text }: StoredMessage): FormerValue => ({
  key: subject.slice(prefix.length),
  sequence,
  text
})

/** Returns the user token of a key that {@link formerFilter.revisions} takes. */
export const tokenOfKey = (key: string): string => key.slice("account.".length)

/** Returns the input sequence and the index of a key of a rejected or replayed record. */
export const placeOfKey = (key: string): { readonly inputSequence: number; readonly index: number } => {
  const [, inputSequence, index] = key.split(".")
  return { inputSequence: Number(inputSequence), index: Number(index) }
}

/** Reads the former layout, and writes nothing. */
export interface FormerLedger {
  readonly state: Effect.Effect<FormerState, BrokerFailure>
  /** The input sequence up to which a partition is applied, 0 before its first commit. */
  readonly position: (partition: number) => Effect.Effect<number, BrokerFailure>
  /** The sequence of the newest value of a key. */
  readonly newestOf: (key: string) => Effect.Effect<number | undefined, BrokerFailure>
  /** Passes on all values of the keys that match a filter, page by page, in the order in which they were written. */
  readonly eachPage: <E, R>(
    filter: string,
    take: (page: ReadonlyArray<FormerValue>) => Effect.Effect<void, E, R>,
    from?: number
  ) => Effect.Effect<void, BrokerFailure | E, R>
  /** Reads all values of a key from a sequence on, oldest first. */
  readonly valuesOf: (key: string, from?: number) => Effect.Effect<ReadonlyArray<FormerValue>, BrokerFailure>
}

/** Reads the former layout in pages of at most `pageValuesMax` values. */
export const makeFormerLedger = (connection: BrokerConnection, pageValuesMax: number): FormerLedger => {
  const newest = (key: string) => readMessage(connection, formerLedgerStream, { last_by_subj: prefix + key })

  const pageOfReplica = (filter: string, from: number) =>
    readReplica(connection, formerLedgerStream, {
      seq: from,
      next_by_subj: prefix + filter,
      batch: pageValuesMax,
      max_bytes: pageBytesMax
    }).pipe(Effect.orElseSucceed((): ReadonlyArray<StoredMessage> => []))

  // A replica may be behind, so its page counts only if the page begins with the first message that the leader names.
  const pageFrom = Effect.fnUntraced(function* (filter: string, from: number) {
    const page = yield* pageOfReplica(filter, from)
    const first = yield* readMessage(connection, formerLedgerStream, { seq: from, next_by_subj: prefix + filter })
    if (first === undefined) return []
    return page[0]?.sequence === first.sequence ? page.map(valueOf) : [valueOf(first)]
  })

  const eachPage: FormerLedger["eachPage"] = (filter, take, from = 1) =>
    Effect.gen(function* () {
      for (let next = from; ;) {
        const page = yield* pageFrom(filter, next)
        const last = page.at(-1)
        if (last === undefined) return
        yield* take(page)
        next = last.sequence + 1
      }
    })

  const newestOf = (key: string) => Effect.map(newest(key), (found) => found?.sequence)

  // A search behind the newest value would take the broker long, so the newest value is read instead.
  const valuesOf = Effect.fnUntraced(function* (key: string, from = 1) {
    const last = (yield* newestOf(key)) ?? 0
    const values: Array<FormerValue> = []
    for (let next = from; next <= last;) {
      const page = yield* pageFrom(key, next)
      for (const value of page) values.push(value)
      next = (page.at(-1)?.sequence ?? last) + 1
    }
    return values
  })

  return {
    state: Effect.flatMap(askJetStream<StreamInfo>(connection, `STREAM.INFO.${formerLedgerStream}`, {}), (info) =>
      info.cluster === undefined || info.cluster.leader !== undefined
        ? Effect.succeed(stateOf(info))
        : Effect.fail(new BrokerUnavailable({ operation: "read the former layout", reason: "it has no leader" }))
    ),
    position: (partition) =>
      Effect.map(newest(`position.${partition}`), (found) => (found ? decodePosition(found.text).position : 0)),
    newestOf,
    eachPage,
    valuesOf
  }
}
