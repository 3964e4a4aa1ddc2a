import { Clock, Effect, type Scope } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"

/** The most keys that one request names; the broker answers 1,024 at most. */
export const keysAtOnceMax = 256
/**
 * While a broker looks keys up it writes nothing, and for a key in a part of the stream that nobody read lately it loads
 * a block of 8 MiB first. So the number of keys begins with this, doubles with each answer that came in time, and is
 * halved after one that did not.
 */
export const keysAtOnceFirst = 32
/** For one key the leader is as quick as a replica, and never behind. */
const keysAtOnceMin = 2
/** What in time means, in milliseconds. */
const answerInTimeMilliseconds = 250
/** For so long the leader is asked instead of a replica that was behind, or did not answer. */
export const replicaRestMilliseconds = 1_000

interface Keyed {
  readonly key: string
}

/** What one replica has of several keys. */
export interface ReplicaValues<Value> {
  readonly values: ReadonlyArray<Value>
  /** Up to which sequence the replica has the stream; nothing where it did not say. */
  readonly through: number | undefined
  /** Whether it has more values than it answered, because they were too much for one answer. */
  readonly isCut: boolean
}

export interface CausalReadsOptions<Value> {
  readonly replica: (keys: ReadonlyArray<string>) => Effect.Effect<ReplicaValues<Value>, BrokerFailure>
  readonly leader: (key: string) => Effect.Effect<Value | undefined, BrokerFailure>
  /** The newest sequence that this process was told of, whatever told it. */
  readonly toldThrough: () => number
}

type Found<Value> = Effect.Effect<Value | undefined, BrokerFailure>
type Resume<Value> = (found: Found<Value>) => void
type Waiting<Value> = Map<string, Set<Resume<Value>>>

/**
 * Reads keys as they were at some moment after everything that this process had been told of when it asked. One request
 * to a replica is in flight, and the keys that are asked for meanwhile share the next. A replica that has not what the
 * process was told of, or does not answer, is not believed: the leader is asked for each of its keys then.
 */
export const makeCausalReads = <Value extends Keyed>({
  replica,
  leader,
  toldThrough
}: CausalReadsOptions<Value>): Effect.Effect<(key: string) => Found<Value>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const clock = yield* Clock.Clock
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const waiting: Waiting<Value> = new Map()
    let isAsking = false
    let replicaFrom = Number.NEGATIVE_INFINITY
    let keysAtOnce = keysAtOnceFirst

    // Who asks for the same key while it is in flight may have been told more, so it waits for the next request.
    const takeWaiting = (): Waiting<Value> => {
      const taken: Waiting<Value> = new Map()
      for (const [key, resumes] of waiting) {
        taken.set(key, resumes)
        waiting.delete(key)
        if (taken.size === keysAtOnce) break
      }
      return taken
    }

    const settle = (taken: Waiting<Value>, key: string, found: Found<Value>) => {
      for (const resume of taken.get(key) ?? []) resume(found)
      taken.delete(key)
    }

    /** Nobody waits for the leader's answers but those who asked for these keys. */
    const askLeader = (taken: Waiting<Value>) => {
      for (const key of taken.keys()) {
        const asked = Effect.map(Effect.exit(leader(key)), (exit) => settle(taken, key, exit))
        run(Effect.forkIn(asked, scope))
      }
    }

    const askReplica = Effect.fnUntraced(function* (taken: Waiting<Value>) {
      // What an answer had no room for is asked for again before anything else, so that nobody is passed for ever.
      while (taken.size > 0) {
        const told = toldThrough()
        const began = clock.currentTimeMillisUnsafe()
        const exit = yield* Effect.exit(Effect.suspend(() => replica([...taken.keys()])))
        const isInTime = clock.currentTimeMillisUnsafe() - began <= answerInTimeMilliseconds
        keysAtOnce = isInTime ? Math.min(keysAtOnce * 2, keysAtOnceMax) : Math.max(keysAtOnce / 2, keysAtOnceMin)
        if (exit._tag === "Failure" || exit.value.through === undefined || exit.value.through < told) {
          replicaFrom = clock.currentTimeMillisUnsafe() + replicaRestMilliseconds
          return askLeader(taken)
        }
        for (const value of exit.value.values) settle(taken, value.key, Effect.succeed(value))
        if (!exit.value.isCut) for (const key of taken.keys()) settle(taken, key, Effect.succeed(undefined))
      }
    })

    const askAll = Effect.gen(function* () {
      // Whoever else asks in this turn shares the request.
      yield* Effect.yieldNow
      for (let taken = takeWaiting(); taken.size > 0; taken = takeWaiting()) {
        if (taken.size < keysAtOnceMin || clock.currentTimeMillisUnsafe() < replicaFrom) askLeader(taken)
        else yield* askReplica(taken)
      }
      isAsking = false
    })

    return (key) =>
      Effect.callback((resume) => {
        const resumes = waiting.get(key) ?? new Set()
        waiting.set(key, resumes.add(resume))
        if (!isAsking) {
          isAsking = true
          run(Effect.forkIn(askAll, scope))
        }
        return Effect.sync(() => {
          resumes.delete(resume)
          if (resumes.size === 0 && waiting.get(key) === resumes) waiting.delete(key)
        })
      })
  })
