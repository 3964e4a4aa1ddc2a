import { Effect, type Scope } from "effect"
import type { BrokerFailure } from "../domain/BrokerError.ts"

/** The most keys that one request names; the broker answers 1,024 at most. */
export const keysAtOnceMax = 256

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

/**
 * Reads keys as they were at some moment after everything that this process had been told of when it asked. One request
 * is in flight, and the keys that are asked for meanwhile share the next. A replica that has not what the process was
 * told of, or does not answer, is not believed: the leader is asked for each of its keys then.
 */
export const makeCausalReads = <Value extends Keyed>({
  replica,
  leader,
  toldThrough
}: CausalReadsOptions<Value>): Effect.Effect<(key: string) => Found<Value>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const waiting = new Map<string, Array<Resume<Value>>>()
    let isAsking = false

    const wait = (key: string, resumes: ReadonlyArray<Resume<Value>>) => {
      const others = waiting.get(key)
      if (others === undefined) waiting.set(key, [...resumes])
      else others.push(...resumes)
    }

    // Who asks for the same key while it is in flight may have been told more, so it waits for the next request.
    const takeWaiting = () => {
      const taken = new Map<string, ReadonlyArray<Resume<Value>>>()
      for (const [key, resumes] of waiting) {
        taken.set(key, resumes)
        waiting.delete(key)
        if (taken.size === keysAtOnceMax) break
      }
      return taken
    }

    const ask = Effect.gen(function* () {
      const taken = takeWaiting()
      const settle = (key: string, found: Found<Value>) => {
        for (const resume of taken.get(key) ?? []) resume(found)
        taken.delete(key)
      }
      const askLeader = Effect.forEach(
        [...taken.keys()],
        (key) => Effect.map(Effect.exit(leader(key)), (exit) => settle(key, exit)),
        // As many as one request names at most.
        { concurrency: "unbounded", discard: true }
      )
      // For one key the leader is as quick, and never behind.
      if (taken.size === 1) return yield* askLeader
      const told = toldThrough()
      const exit = yield* Effect.exit(replica([...taken.keys()]))
      if (exit._tag === "Failure" || exit.value.through === undefined || exit.value.through < told) {
        return yield* askLeader
      }
      for (const value of exit.value.values) settle(value.key, Effect.succeed(value))
      for (const [key, resumes] of taken) {
        if (exit.value.isCut) wait(key, resumes)
        else settle(key, Effect.succeed(undefined))
      }
    })

    const askAll = Effect.gen(function* () {
      // Whoever else asks in this turn shares the request.
      yield* Effect.yieldNow
      while (waiting.size > 0) yield* ask
    }).pipe(Effect.ensuring(Effect.sync(() => void (isAsking = false))))

    return (key) =>
      Effect.callback((resume) => {
        wait(key, [resume])
        if (isAsking) return
        isAsking = true
        run(Effect.forkIn(askAll, scope))
      })
  })
