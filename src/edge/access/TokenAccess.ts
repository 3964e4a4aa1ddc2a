import { Clock, Duration, Effect, Layer, Queue } from "effect"
import { TokenStore } from "../../nats/TokenStore.ts"
import { AccessControl, auditing } from "./Access.ts"
import { EndWatch } from "./EndWatch.ts"
import { Tokens } from "./Tokens.ts"

/** The longest time until an edge sees a change of a token if the broker's message about the change was lost. */
const readEvery = Duration.seconds(2)
/**
 * The times between a message about a change of a token and the reads that look for the change. Several reads are
 * needed, because the broker passes the message on before it has the changed token on disk.
 */
const readsAfterNotice = [0, 5, 10, 20, 40, 80, 160, 320].map((milliseconds) => Duration.millis(milliseconds))
/** The time between two searches for tokens that have expired. */
const expiryEvery = Duration.seconds(1)

/**
 * Makes the access of an edge whose callers have tokens. The edge reads all tokens into memory, and later each change
 * of a token. While the broker cannot be reached, the edge uses the tokens in its memory.
 */
export const tokenAccessLayer = Layer.effect(
  AccessControl,
  Effect.gen(function* () {
    const store = yield* TokenStore
    const clock = yield* Clock.Clock
    const tokens = new Tokens(() => clock.currentTimeMillisUnsafe())
    const ends = new EndWatch()
    const audit = yield* auditing
    let isLoaded = false

    /** Reads all records of tokens behind the newest record in memory. */
    const readNew = Effect.gen(function* () {
      for (;;) {
        const page = yield* store.after(tokens.newest)
        for (const stored of page) {
          if (tokens.take(stored)) continue
          yield* Effect.logWarning("a token cannot be read, and gives nothing").pipe(
            Effect.annotateLogs({ token: stored.id })
          )
        }
        if (page.length === 0) break
        ends.check()
      }
      isLoaded = true
    }).pipe(Effect.catchCause((cause) => Effect.logDebug("the tokens cannot be read now", cause)))

    const notices = yield* Queue.sliding<void>(1)
    yield* store.watch(() => void Queue.offerUnsafe(notices, undefined))
    const readSoon = Effect.forEach(readsAfterNotice, (wait) => Effect.andThen(Effect.sleep(wait), readNew), {
      discard: true
    })
    const untilDue = Effect.timeoutOption(Queue.take(notices), readEvery)
    yield* Effect.forkScoped(
      Effect.andThen(
        readNew,
        Effect.forever(Effect.flatMap(untilDue, (noticed) => (noticed._tag === "Some" ? readSoon : readNew)))
      )
    )
    yield* Effect.sync(() => ends.check()).pipe(Effect.delay(expiryEvery), Effect.forever, Effect.forkScoped)

    return AccessControl.of({
      access: {
        isReady: () => isLoaded,
        identify: (token) => tokens.identify(token),
        onEnd: (caller, ended) => ends.add(caller, ended),
        audit
      }
    })
  })
)
