import { Context, Effect, Layer, Schema } from "effect"
import { nuid } from "nats"
import { BrokerRefused, OutcomeUnknown, type BrokerFailure, type BrokerUnavailable } from "../domain/BrokerError.ts"
import { ledgerPrefix, ledgerStream } from "../domain/Subject.ts"
import { makeCausalReads } from "./CausalReads.ts"
import { Connection } from "./Connection.ts"
import { apiCode, askJetStream, readMessage, refusalOf, type StoredMessage, storeMessage } from "./JetStreamApi.ts"
import { readReplica, readReplicaAt } from "./ReplicaRead.ts"
import { writtenHeaders } from "./WrittenHeaders.ts"

/** The most messages of one atomic batch; the broker refuses more. */
export const batchMessagesMax = 1_000

/** How long the broker may take to write a key. Who writes one whose fate is unknown again only begins another epoch. */
const putWaitMilliseconds = 2_000
/** How long the broker may take to commit a batch before its outcome counts as unknown. */
const commitWaitMilliseconds = 5_000

/** About the most bytes of values in one answer of a replica: while the broker reads them, nothing is written. */
const replicaBytesMax = 512 * 1024

/** One write of an atomic batch. */
export interface Write {
  readonly key: string
  readonly value: string
  /** The revision that the key must have, 0 for a key that must not exist; not checked when left out. */
  readonly expected?: number
  /** Another key, not written by the batch, that must have this revision: what fences an old owner off. */
  readonly guard?: { readonly key: string; readonly revision: number }
}

/** A value of the bucket. */
export interface LedgerValue {
  readonly key: string
  readonly value: string
  readonly sequence: number
  /** When the broker stored it, in milliseconds since 1970. */
  readonly storedAt: number
}

/** A guard or an expected revision did not hold. Nothing of the batch was written. */
export class CommitConflict extends Schema.TaggedError<CommitConflict>()("CommitConflict", {
  reason: Schema.String
}) {
  override get message() {
    return `the commit lost a compare-and-set (${this.reason})`
  }
}

export type CommitFailure = BrokerUnavailable | OutcomeUnknown | BrokerRefused | CommitConflict

interface CommitReply {
  readonly seq: number
  readonly count?: number
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string }
}

const conditionOf = ({ guard, expected }: Write): string => {
  if (guard !== undefined) {
    return (
      `Nats-Expected-Last-Subject-Sequence: ${guard.revision}\r\n` +
      `Nats-Expected-Last-Subject-Sequence-Subject: ${ledgerPrefix}${guard.key}\r\n`
    )
  }
  return expected === undefined ? "" : `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`
}

const memberOf = (batch: string, index: number, write: Write): string =>
  `Nats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${index + 1}\r\n${conditionOf(write)}`

/** The bucket `ledger`. Writes are durable when they are answered. */
export class LedgerBucket extends Context.Service<
  LedgerBucket,
  {
    /** The newest value of a key, as the leader has it. */
    readonly latest: (key: string) => Effect.Effect<LedgerValue | undefined, BrokerFailure>
    /**
     * The newest value of a key at some moment after everything that this process had been told of the bucket when it
     * asked: what it wrote, and what it read. Others may have written since. Many at once cost little more than one.
     */
    readonly latestTold: (key: string) => Effect.Effect<LedgerValue | undefined, BrokerFailure>
    /** What is stored at a sequence; it never changes, so any replica will do that has it, and the leader knows best. */
    readonly at: (sequence: number) => Effect.Effect<LedgerValue | undefined, BrokerFailure>
    /** Writes one key whatever its revision, and answers the new one. */
    readonly put: (key: string, value: string) => Effect.Effect<number, BrokerFailure>
    /**
     * Writes all or nothing, and answers the sequence of the first write; the others follow it one by one. A write has
     * one condition: where it has a guard, what is expected of the key itself is not checked. After
     * `OutcomeUnknown` the batch may be there, or may still come.
     */
    readonly commit: (writes: ReadonlyArray<Write>) => Effect.Effect<number, CommitFailure>
    /** Keeps the newest value alone of a key whose history says nothing. */
    readonly forgetHistory: (key: string) => Effect.Effect<void, BrokerFailure>
  }
>()("purchases/nats/LedgerBucket") {
  static readonly layer = Layer.effect(
    LedgerBucket,
    Effect.gen(function* () {
      const connection = yield* Connection

      let toldThrough = 0
      const told = (sequence: number) => {
        if (sequence > toldThrough) toldThrough = sequence
      }

      const valueOf = ({ subject, text, sequence, storedAt }: StoredMessage): LedgerValue => {
        told(sequence)
        return { key: subject.slice(ledgerPrefix.length), value: text, sequence, storedAt }
      }

      const read = (query: object): Effect.Effect<LedgerValue | undefined, BrokerFailure> =>
        Effect.map(readMessage(connection, ledgerStream, query), (message) => message && valueOf(message))

      const latest = (key: string) => read({ last_by_subj: ledgerPrefix + key })

      // A key that is there for ever: a replica that finds nothing does not say how far it is.
      let witness: string | undefined
      const latestTold = yield* makeCausalReads({
        leader: latest,
        toldThrough: () => toldThrough,
        replica: (keys) => {
          const subjects = [...keys, ...(witness === undefined ? [] : [witness])].map((key) => ledgerPrefix + key)
          const query = { multi_last: subjects, max_bytes: replicaBytesMax }
          return Effect.map(readReplica(connection, ledgerStream, query), ({ messages, through, pending }) => ({
            values: messages.map(valueOf),
            through,
            isCut: pending > 0
          }))
        }
      })

      const put = (key: string, value: string): Effect.Effect<number, BrokerFailure> =>
        storeMessage(connection, {
          operation: "write to the ledger",
          subject: ledgerPrefix + key,
          payload: value,
          timeoutMilliseconds: putWaitMilliseconds
        }).pipe(
          Effect.map(({ seq }) => {
            told(seq)
            witness = key
            return seq
          })
        )

      const commit = (writes: ReadonlyArray<Write>): Effect.Effect<number, CommitFailure> =>
        Effect.suspend(() => {
          const batch = nuid.next()
          const lastIndex = writes.length - 1
          const last = writes[lastIndex]
          if (last === undefined) return Effect.die(new Error("a commit needs at least one write"))
          const publishMembers = () => {
            for (let index = 0; index < lastIndex; index += 1) {
              const write = writes[index]
              if (write === undefined) continue
              connection.client.publish(ledgerPrefix + write.key, write.value, {
                headers: writtenHeaders(memberOf(batch, index, write))
              })
            }
          }
          return connection
            .request({
              operation: committing,
              subject: ledgerPrefix + last.key,
              payload: last.value,
              // One write is a message like any other: a batch makes the broker create and remove a store of its own.
              headers: writtenHeaders(
                lastIndex === 0 ? conditionOf(last) : `${memberOf(batch, lastIndex, last)}Nats-Batch-Commit: 1\r\n`
              ),
              timeoutMilliseconds: commitWaitMilliseconds,
              before: publishMembers
            })
            .pipe(
              Effect.flatMap((reply) => outcomeOf(reply.data, writes.length)),
              Effect.tap((first) => Effect.sync(() => told(first + lastIndex)))
            )
        })

      return LedgerBucket.of({
        latest,
        latestTold,
        at: (sequence) =>
          readReplicaAt(connection, ledgerStream, sequence).pipe(
            // Whatever keeps a replica from answering, the leader may know.
            Effect.catch(() => Effect.undefined),
            Effect.flatMap((found) => (found ? Effect.succeed(valueOf(found)) : read({ seq: sequence })))
          ),
        put,
        commit,
        forgetHistory: (key) =>
          askJetStream(connection, `STREAM.PURGE.${ledgerStream}`, { filter: ledgerPrefix + key, keep: 1 })
      })
    })
  )
}

/** The operation of a failure to commit. */
const committing = "commit to the ledger"

/** The codes that say that another write came first: it is stored, or its proposal is in flight. */
export const lostCompareAndSet: ReadonlySet<number> = new Set([
  apiCode.wrongLastSequence,
  apiCode.wrongLastSequenceInFlight
])

const outcomeOf = (reply: Uint8Array, count: number): Effect.Effect<number, CommitFailure> => {
  // An empty answer only says that a batch was begun; the reply subject is on its last member, so none should come.
  if (reply.length === 0) return Effect.fail(new OutcomeUnknown({ operation: committing, reason: "empty answer" }))
  const answer: CommitReply = JSON.parse(Buffer.from(reply).toString("utf8"))
  if (answer.error === undefined) {
    return (answer.count ?? 1) === count
      ? Effect.succeed(answer.seq - count + 1)
      : Effect.fail(new OutcomeUnknown({ operation: committing, reason: `${answer.count} of ${count} writes counted` }))
  }
  return lostCompareAndSet.has(answer.error.err_code)
    ? Effect.fail(new CommitConflict({ reason: answer.error.description }))
    : Effect.fail(refusalOf(committing, answer.error))
}
