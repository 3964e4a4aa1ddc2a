import { Context, Duration, Effect, Layer, type Scope } from "effect"
import { headers } from "nats"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { decodeToken, encodeToken, workersPrefix, workersStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { askJetStream, readMessage, storeMessage } from "./client/JetStreamApi.ts"
import { nanosecondsOf } from "./client/Nanoseconds.ts"

const announceTimeoutMilliseconds = 1_000
/** The time after the last sign of life after which a worker is no longer listed. */
const forgottenAfter = Duration.minutes(1)
/** The most signs of life that one process reads at once. */
const readsAtOnceMax = 16

/**
 * The numbers of purchases that a worker has handled since its process began. The ledger only shows the numbers of
 * handled purchases to people.
 */
export interface WorkDone {
  /**
   * The time at which the process began, in milliseconds since 1970, by the clock of the process. Workers of older
   * versions do not send `startedAt`.
   */
  readonly startedAt?: number
  readonly applied: number
  /**
   * The number of repeats that accounts found in their purchaseId set. Repeats that the broker drops reach no worker.
   */
  readonly repeats: number
  readonly rejected: number
  /** At most ten accounts that the worker cannot read from the journal; missing if the worker can read all accounts. */
  readonly stopped?: ReadonlyArray<{ readonly account: string; readonly problem: string }>
}

/** A sign of life of a worker, read from the bucket `workers`. */
export interface WorkerSign {
  readonly worker: string
  /**
   * The number of the worker's process. Each later process of any worker has a higher number. `instance` is 0 until the
   * process knows its number.
   */
  readonly instance: number
  /**
   * The time at which the broker stored the sign of life, in milliseconds since 1970; 0 for a sign of life from
   * `watch`.
   */
  readonly storedAt: number
  /** The age of the sign of life at the time of the read, by the broker's clock; 0 for a sign of life from `watch`. */
  readonly silentMilliseconds: number
  /** Whether the worker has ended, so that other workers should take over its partitions. */
  readonly isLeaving: boolean
  /** The work that the worker had done when it gave the sign of life. Workers of older versions do not send `work`. */
  readonly work?: WorkDone
}

interface SignValue {
  readonly instance: number
  readonly work?: WorkDone
}

interface SignsInfo {
  /** The time at which the broker answered with the sign of life, by the broker's clock. */
  readonly ts: string
  readonly state: { readonly subjects?: Record<string, number> }
}

/** Returns the configuration with which the setup creates the bucket `workers`. */
export const workersConfig = (replicas: number) => ({
  name: workersStream,
  description: "Signs of life of workers",
  subjects: [`${workersPrefix}*`],
  // The stream of signs of life is on disk, because a broker that restarts loses its streams in memory. After the loss
  // of the stream, the numbers of processes would begin with 1 again.
  storage: "file",
  discard: "new",
  max_msgs_per_subject: 1,
  max_age: nanosecondsOf(forgottenAfter),
  num_replicas: replicas,
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_delete: true
})

const operationHeader = "KV-Operation"

const signOf = (subject: string, data: string, isLeaving: boolean, storedAt: number): WorkerSign => {
  const value: SignValue = data === "" ? { instance: 0 } : JSON.parse(data)
  return {
    worker: decodeToken(subject.slice(workersPrefix.length)),
    storedAt,
    silentMilliseconds: 0,
    isLeaving,
    ...value
  }
}

/**
 * Reads and writes the bucket `workers`, in which workers give signs of life. The correctness of accounts does not
 * depend on this bucket.
 */
export class WorkerBucket extends Context.Service<
  WorkerBucket,
  {
    /** Writes a sign of life of a worker, and returns the sequence of the sign of life. */
    readonly announce: (worker: string, instance: number, work?: WorkDone) => Effect.Effect<number, BrokerFailure>
    /**
     * Writes the last sign of life of a worker, which says that the worker leaves. Returns the sequence of the last
     * sign of life.
     */
    readonly leave: (worker: string, instance: number) => Effect.Effect<number, BrokerFailure>
    /** Reads the newest sign of life of each worker that has not left. */
    readonly read: Effect.Effect<ReadonlyArray<WorkerSign>, BrokerFailure>
    /** Calls `heard` with each sign of life that a worker gives, until the scope closes. */
    readonly watch: (heard: (sign: WorkerSign) => void) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/WorkerBucket") {
  static readonly layer = Layer.effect(
    WorkerBucket,
    Effect.gen(function* () {
      const connection = yield* Connection

      const write = (worker: string, isLeaving: boolean, value: SignValue) => {
        const written = headers()
        if (isLeaving) written.set(operationHeader, "DEL")
        return storeMessage(connection, {
          operation: "give a sign of life",
          subject: workersPrefix + encodeToken(worker),
          payload: JSON.stringify(value),
          headers: written,
          timeoutMilliseconds: announceTimeoutMilliseconds
        }).pipe(Effect.map(({ seq }) => seq))
      }

      const newest = (subject: string) =>
        Effect.map(readMessage(connection, workersStream, { last_by_subj: subject }), (message) =>
          message === undefined
            ? undefined
            : signOf(subject, message.text, message.headers.includes(operationHeader), message.storedAt)
        )

      const read = Effect.gen(function* () {
        const info = yield* askJetStream<SignsInfo>(connection, `STREAM.INFO.${workersStream}`, {
          subjects_filter: `${workersPrefix}*`
        })
        const brokersNow = Date.parse(info.ts)
        const signs = yield* Effect.forEach(Object.keys(info.state.subjects ?? {}), newest, {
          concurrency: readsAtOnceMax
        })
        return signs.flatMap((sign) =>
          sign === undefined || sign.isLeaving
            ? []
            : [{ ...sign, silentMilliseconds: Math.max(0, brokersNow - sign.storedAt) }]
        )
      })

      const watch = (heard: (sign: WorkerSign) => void) =>
        Effect.acquireRelease(
          Effect.sync(() =>
            connection.client.subscribe(`${workersPrefix}*`, {
              callback: (_error, message) =>
                heard(signOf(message.subject, message.string(), message.headers?.has(operationHeader) === true, 0))
            })
          ),
          (subscription) => Effect.sync(() => subscription.unsubscribe())
        ).pipe(Effect.asVoid)

      return WorkerBucket.of({
        announce: (worker, instance, work) =>
          write(worker, false, { instance, ...(work === undefined ? {} : { work }) }),
        leave: (worker, instance) => write(worker, true, { instance }),
        read,
        watch
      })
    })
  )
}
