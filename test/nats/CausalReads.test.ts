import { Clock, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerUnavailable, type BrokerFailure } from "../../src/domain/BrokerError.ts"
import {
  keysAtOnceFirst,
  keysAtOnceMax,
  makeCausalReads,
  replicaRestMilliseconds,
  type ReplicaValues
} from "../../src/nats/CausalReads.ts"
import { until } from "../support/TestBroker.ts"

interface Value {
  readonly key: string
  readonly from: string
}

interface Asked {
  readonly keys: ReadonlyArray<string>
  readonly answer: Deferred.Deferred<ReplicaValues<Value>, BrokerFailure>
}

describe("Causal reads", () => {
  let scope: Scope.Closeable
  let told = 5
  let now = 0
  let asked: Array<Asked>
  let askedLeader: Array<string>
  let causal: (key: string) => Effect.Effect<Value | undefined, BrokerFailure>
  const read = (key: string) => Effect.runPromise(Effect.map(causal(key), (found) => found?.from))

  beforeEach(async () => {
    scope = Effect.runSync(Scope.make())
    told = 5
    asked = []
    askedLeader = []
    const clock = { ...Effect.runSync(Effect.service(Clock.Clock)), currentTimeMillisUnsafe: () => now }
    causal = await Effect.runPromise(
      makeCausalReads<Value>({
        toldThrough: () => told,
        leader: (key) =>
          Effect.sync(() => {
            askedLeader.push(key)
            return { key, from: "the leader" }
          }),
        replica: (keys) =>
          Effect.suspend(() => {
            const answer = Deferred.makeUnsafe<ReplicaValues<Value>, BrokerFailure>()
            asked.push({ keys, answer })
            return Deferred.await(answer)
          })
      }).pipe(Effect.provideService(Scope.Scope, scope), Effect.provideService(Clock.Clock, clock))
    )
  })

  afterEach(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const nextAsked = async (number: number): Promise<Asked> => {
    await until("a replica is asked", () => asked.length >= number)
    return asked[number - 1] as Asked
  }
  const answerOf = (keys: ReadonlyArray<string>, more: Partial<ReplicaValues<Value>> = {}): ReplicaValues<Value> => ({
    values: keys.map((key) => ({ key, from: "a replica" })),
    through: told,
    isCut: false,
    ...more
  })
  const answer = ({ answer }: Asked, values: ReplicaValues<Value>) =>
    Deferred.doneUnsafe(answer, Effect.succeed(values))

  it("ask for all of a turn at once, and know what is not there", async () => {
    const reads = Promise.all(["a", "b", "none"].map(read))
    const first = await nextAsked(1)
    expect(first.keys).toEqual(["a", "b", "none"])
    answer(first, answerOf(["a", "b"]))
    expect(await reads).toEqual(["a replica", "a replica", undefined])
    expect(askedLeader).toEqual([])
  })

  it("ask the leader for one key alone", async () => {
    expect(await read("a")).toBe("the leader")
    expect(asked).toEqual([])
  })

  it("ask for the same key again when it was asked for while it was in flight: more may have been told", async () => {
    const earlier = Promise.all([read("a"), read("b")])
    const first = await nextAsked(1)
    told = 9
    const later = Promise.all([read("a"), read("c")])
    answer(first, answerOf(["a", "b"], { through: 5 }))
    expect(await earlier).toEqual(["a replica", "a replica"])
    const second = await nextAsked(2)
    expect(second.keys).toEqual(["a", "c"])
    answer(second, answerOf(["c"]))
    expect(await later).toEqual([undefined, "a replica"])
  })

  it.each([
    ["is behind what was told", { through: 4 }],
    ["does not say how far it is", { through: undefined }]
  ])("do not believe a replica that %s", async (_what, more) => {
    const reads = Promise.all([read("a"), read("b")])
    answer(await nextAsked(1), answerOf(["a"], more))
    expect(await reads).toEqual(["the leader", "the leader"])
    expect(askedLeader).toEqual(["a", "b"])
  })

  it("ask the leader when a replica does not answer, and a replica again after a while", async () => {
    const reads = Promise.all([read("a"), read("b")])
    const failure = new BrokerUnavailable({ operation: "read", reason: "a test broke it" })
    Deferred.doneUnsafe((await nextAsked(1)).answer, Effect.fail(failure))
    expect(await reads).toEqual(["the leader", "the leader"])
    now += replicaRestMilliseconds - 1
    expect(await Promise.all([read("a"), read("b")])).toEqual(["the leader", "the leader"])
    now += 1
    const more = Promise.all([read("a"), read("b")])
    answer(await nextAsked(2), answerOf(["b"]))
    expect(await more).toEqual([undefined, "a replica"])
  })

  it("ask again for what an answer had no room for, before anything else", async () => {
    const reads = Promise.all(["a", "b", "none"].map(read))
    const first = await nextAsked(1)
    const later = Promise.all(["c", "d"].map(read))
    answer(first, answerOf(["a"], { isCut: true }))
    const second = await nextAsked(2)
    expect(second.keys).toEqual(["b", "none"])
    answer(second, answerOf(["b"]))
    expect(await reads).toEqual(["a replica", "a replica", undefined])
    const third = await nextAsked(3)
    expect(third.keys).toEqual(["c", "d"])
    answer(third, answerOf(["c", "d"]))
    await later
  })

  it("name a bounded number of keys at once, one request after the other", async () => {
    const keys = Array.from({ length: keysAtOnceFirst + 2 }, (_, index) => `k${index}`)
    const reads = Promise.all(keys.map(read))
    const first = await nextAsked(1)
    expect(first.keys).toEqual(keys.slice(0, keysAtOnceFirst))
    answer(first, answerOf(first.keys))
    const second = await nextAsked(2)
    expect(second.keys).toEqual(keys.slice(keysAtOnceFirst))
    answer(second, answerOf(second.keys))
    expect(new Set(await reads)).toEqual(new Set(["a replica"]))
  })

  it("name more keys after answers that came in time, up to a bound, and fewer after those that did not", async () => {
    const keys = Array.from({ length: 10 * keysAtOnceMax }, (_, index) => `k${index}`)
    void Promise.all(keys.map(read))
    const sizes: Array<number> = []
    const took = [250, 0, 0, 0, 251, 3_000, 0]
    for (const [index, milliseconds] of took.entries()) {
      const request = await nextAsked(index + 1)
      sizes.push(request.keys.length)
      now += milliseconds
      answer(request, answerOf(request.keys))
    }
    expect(sizes).toEqual([32, 64, 128, 256, 256, 128, 64])
    expect((await nextAsked(took.length + 1)).keys).toHaveLength(128)
  })

  it("ask for nothing that nobody waits for any more", async () => {
    const reads = Promise.all(["a", "b"].map(read))
    const first = await nextAsked(1)
    const interrupted = Effect.runFork(causal("c"))
    const others = Promise.all(["d", "e"].map(read))
    await Effect.runPromise(Fiber.interrupt(interrupted))
    answer(first, answerOf(["a", "b"]))
    expect(await reads).toEqual(["a replica", "a replica"])
    const second = await nextAsked(2)
    expect(second.keys).toEqual(["d", "e"])
    answer(second, answerOf(["d", "e"]))
    expect(await others).toEqual(["a replica", "a replica"])
  })

  it("go on without a reader who is interrupted while its key is in flight", async () => {
    const reads = read("a")
    const interrupted = Effect.runFork(causal("b"))
    const first = await nextAsked(1)
    await Effect.runPromise(Fiber.interrupt(interrupted))
    answer(first, answerOf(["a", "b"]))
    expect(await reads).toBe("a replica")
    expect(interrupted.pollUnsafe()?._tag).toBe("Failure")
  })
})
