import { Clock, Duration, Effect } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import type { WebhookStore } from "../nats/WebhookStore.ts"
import type { Fork } from "../runtime/ForkInScope.ts"
import type { Endpoint } from "./Endpoint.ts"
import { furthest } from "./Progress.ts"

/** The shortest time between two writes of one state. A crash repeats at most the deliveries of this time. */
const writeEvery = Duration.millis(100)
/** The wait before a state is written again that could not be written. */
const failureWait = Duration.seconds(1)
/** The most states that a stopping process writes at once, and the time that it takes for that. */
const writesAtOnceMax = 64
const flushTimeout = Duration.seconds(2)
/** The most writes of one state by a stopping process. A write that another judge overtook is made again. */
const flushWritesMax = 3

type Store = Pick<(typeof WebhookStore)["Service"], "state" | "writeState">

/** Writes how far endpoints are, after the answers that the states are about. One write a state is in flight. */
export class StateWriter {
  private readonly store: Store
  private readonly fork: Fork
  /** The endpoints whose state differs from the stored one. */
  private readonly unsaved = new Set<Endpoint>()
  private readonly writing = new Set<Endpoint>()

  constructor(store: Store, fork: Fork) {
    this.store = store
    this.fork = fork
  }

  /** Has the state of an endpoint written soon. */
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

  /** Writes all states that are not written. A process that stops calls this last. */
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
   * Writes the state of an endpoint. If another judge wrote one meanwhile, takes the state that is further. Both states
   * have only alerts behind them that were answered, so none is lost.
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
