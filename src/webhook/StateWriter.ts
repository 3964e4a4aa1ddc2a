import { Clock, Duration, Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { WebhookStore } from "../nats/WebhookStore.ts"
import type { Fork } from "../runtime/ForkInScope.ts"
import type { Endpoint } from "./Endpoint.ts"
import { furthest } from "./Progress.ts"

/**
 * The shortest time between two writes of the state of one webhook. After a crash, at most the deliveries since the
 * last write of a state are made again.
 */
const writeEvery = Duration.millis(100)
/** The wait before a state is written again after a failed write. */
const failureWait = Duration.seconds(1)
/** The most states that a stopping process writes at once, and the longest time that the process writes states. */
const writesAtOnceMax = 64
const flushTimeout = Duration.seconds(2)
/**
 * The most writes of one state by a stopping process. The process writes a state again if another judge wrote the state
 * first.
 */
const flushWritesMax = 3

type Store = Pick<(typeof WebhookStore)["Service"], "state" | "writeState">

/**
 * Stores the states of endpoints after each answer to a delivery. The state of each endpoint has at most one write in
 * flight.
 */
export class StateWriter {
  private readonly store: Store
  private readonly fork: Fork
  /** The endpoints whose state in memory differs from the stored state. */
  private readonly unsaved = new Set<Endpoint>()
  private readonly writing = new Set<Endpoint>()

  constructor(store: Store, fork: Fork) {
    this.store = store
    this.fork = fork
  }

  /** Writes the state of an endpoint soon, without waiting for the write. */
  save(endpoint: Endpoint): void {
    this.unsaved.add(endpoint)
    if (this.writing.has(endpoint)) return
    this.writing.add(endpoint)
    this.fork(
      Effect.ensuring(
        this.writeAll(endpoint),
        Effect.sync(() => void this.writing.delete(endpoint))
      )
    )
  }

  /** Writes all states that are not stored yet. A stopping process calls `flush` last. */
  readonly flush: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      Array.from(this.unsaved),
      (endpoint) =>
        Effect.ignore(this.write(endpoint)).pipe(
          Effect.repeat({ while: () => this.unsaved.has(endpoint), times: flushWritesMax - 1 })
        ),
      { concurrency: writesAtOnceMax, discard: true }
    )
  ).pipe(Effect.timeoutOption(flushTimeout), Effect.asVoid)

  private readonly writeAll = (endpoint: Endpoint): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      while (this.unsaved.has(endpoint)) {
        const begun = yield* Clock.currentTimeMillis
        const wait = yield* this.write(endpoint).pipe(
          Effect.as(writeEvery),
          Effect.catch((failure) =>
            Effect.as(
              Effect.logDebug("the state of a webhook could not be written").pipe(
                Effect.annotateLogs({ userId: endpoint.userId, reason: failure.message })
              ),
              failureWait
            )
          )
        )
        const spent = (yield* Clock.currentTimeMillis) - begun
        yield* Effect.sleep(Duration.millis(Math.max(0, Duration.toMillis(wait) - spent)))
      }
    })

  /**
   * Writes the state of an endpoint. If another judge wrote the state first, takes the later of the two states. Taking
   * the later state loses no alert, because both states have passed only alerts whose delivery was answered.
   */
  private readonly write = (endpoint: Endpoint): Effect.Effect<void, BrokerFailure> =>
    Effect.suspend(() => {
      const { ownerToken, state, webhook, stateSequence } = endpoint
      this.unsaved.delete(endpoint)
      if (state === undefined || webhook === undefined) return Effect.void
      return this.store.writeState(ownerToken, state, stateSequence).pipe(
        Effect.map((sequence) => void (endpoint.stateSequence = sequence)),
        Effect.catchTag("CommitConflict", () => this.reload(endpoint)),
        Effect.tapError(() => Effect.sync(() => this.unsaved.add(endpoint)))
      )
    })

  private readonly reload = (endpoint: Endpoint): Effect.Effect<void, BrokerFailure> =>
    Effect.map(this.store.state(endpoint.ownerToken), ({ state: stored, sequence }) => {
      endpoint.stateSequence = sequence
      if (endpoint.state === undefined) return
      endpoint.state = furthest(endpoint.state, stored)
      if (endpoint.state !== stored) this.unsaved.add(endpoint)
    })
}
