import { Effect, Exit, Option, type Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { encodeToken, partitionOf } from "../../src/domain/Subject.ts"
import { BrokerLink } from "../../src/nats/BrokerLink.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { LedgerBucket, type Write } from "../../src/nats/LedgerBucket.ts"
import { type Delivery, PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import { QueryTransport } from "../../src/nats/QueryTransport.ts"
import { Topology } from "../../src/nats/Topology.ts"
import { WorkerBucket, type WorkerSign } from "../../src/nats/WorkerBucket.ts"
import type { BrokerServices } from "../simulation/SimulatedBroker.ts"
import { type Bench, type BenchOptions, memoryBench, realBench } from "./Bench.ts"

const partitions = 8
const usual: BenchOptions = { partitions, duplicateWindowMilliseconds: 120_000, inputBytesMax: 64 * 1024 ** 2 }

const kinds = [
  { name: "the real server", open: realBench },
  { name: "the broker in memory", open: memoryBench }
]

const userIn = (partition: number, name: string): string => {
  let user = name
  for (let number = 1; partitionOf(encodeToken(user), partitions) !== partition; number += 1) user = `${name}${number}`
  return user
}

/** Looks again and again until something holds, on the clock of the broker. */
const until = (holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.succeed(true) : Effect.as(Effect.sleep(5), false))).pipe(
    Effect.repeat({ until: (held) => held }),
    Effect.timeout("20 seconds")
  )

describe.each(kinds)("On $name", ({ open }) => {
  let bench: Bench

  /** What an effect answers, or its failure. */
  const outcome = async <A, E>(effect: Effect.Effect<A, E, BrokerServices | Scope.Scope>): Promise<A | E> => {
    const exit = await bench.run(effect)
    if (Exit.isSuccess(exit)) return exit.value
    const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
    if (failure === undefined) throw new Error(`it died: ${JSON.stringify(exit)}`)
    return failure
  }

  const bucket = <A, E>(use: (bucket: (typeof LedgerBucket)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(LedgerBucket, use))
  const input = <A, E>(use: (input: (typeof InputLog)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(InputLog, use))
  const append = async (subject: string, id: string, payload = "{}") => {
    const stored = await input((log) => log.append(subject, id, payload))
    if (!("sequence" in stored)) throw new Error(`not stored: ${stored.message}`)
    return stored
  }

  describe("the ledger bucket", () => {
    const commit = (...writes: ReadonlyArray<Write>) => bucket((ledger) => ledger.commit(writes))
    const put = async (key: string, value = "v") => Number(await bucket((ledger) => ledger.put(key, value)))
    const valueOf = async (key: string) => {
      const found = await bucket((ledger) => ledger.latest(key))
      return found === undefined || !("value" in found) ? found : found.value
    }
    const conflict = { _tag: "CommitConflict" }

    beforeAll(async () => void (bench = await open(usual)))
    afterAll(() => bench.stop())

    it("numbers writes, and finds a key's newest value and what is at a number", async () => {
      expect(await valueOf("none")).toBeUndefined()
      const first = await put("a", "a1")
      const second = await put("a", "a2")
      expect(second).toBe(first + 1)
      expect(await bucket((ledger) => ledger.latest("a"))).toMatchObject({ key: "a", value: "a2", sequence: second })
      expect(await bucket((ledger) => ledger.at(first))).toMatchObject({ key: "a", value: "a1", sequence: first })
      expect(await bucket((ledger) => ledger.at(second + 1))).toBeUndefined()
    })

    it("writes a batch one by one, and answers the number of its first", async () => {
      const before = await put("b")
      expect(await commit({ key: "b1", value: "1" }, { key: "b2", value: "2", expected: 0 })).toBe(before + 1)
      expect(await bucket((ledger) => ledger.at(before + 2))).toMatchObject({ key: "b2", value: "2" })
      expect(await commit({ key: "b3", value: "3" })).toBe(before + 3)
    })

    it("writes nothing where one expected revision does not hold", async () => {
      const revision = await put("c", "c1")
      for (const expected of [0, revision - 1, revision + 1]) {
        const wrong = { key: "c", value: "c2", expected }
        expect(await commit(wrong)).toMatchObject(conflict)
        expect(await commit({ key: "c-free", value: "x" }, wrong)).toMatchObject(conflict)
        expect(await commit(wrong, { key: "c-free", value: "x" })).toMatchObject(conflict)
      }
      expect(await commit({ key: "c-none", value: "x", expected: 1 })).toMatchObject(conflict)
      expect([await valueOf("c"), await valueOf("c-free"), await valueOf("c-none")]).toEqual([
        "c1",
        undefined,
        undefined
      ])
      expect(await commit({ key: "c", value: "c2", expected: revision })).toBe(revision + 1)
    })

    it("holds a guard on a key that the batch does not write", async () => {
      const owner = await put("owner.d")
      const guarded = (revision: number, key = "owner.d") =>
        commit({ key: "d", value: "1" }, { key: "position.d", value: "1", guard: { key, revision } })
      expect(await guarded(owner)).toBe(owner + 1)
      for (const revision of [0, owner - 1, owner + 1]) expect(await guarded(revision)).toMatchObject(conflict)
      expect(await guarded(0, "owner.none")).toBe(owner + 3)
      expect(await guarded(1, "owner.none")).toMatchObject(conflict)
      const next = await put("owner.d")
      expect(await guarded(owner)).toMatchObject(conflict)
      expect(await guarded(next)).toBe(next + 1)
    })

    it("takes a key twice in a batch, and a guard of one that it writes, by the same rules", async () => {
      const twice = await commit({ key: "e", value: "1", expected: 0 }, { key: "e", value: "2" })
      expect(await bucket((ledger) => ledger.latest("e"))).toMatchObject({ value: "2", sequence: Number(twice) + 1 })
      const revision = Number(twice) + 1
      expect(
        await commit({ key: "e", value: "3", expected: revision }, { key: "e", value: "4", expected: revision })
      ).toMatchObject(conflict)
      const owner = await put("owner.e")
      const guard = { key: "owner.e", revision: owner }
      expect(await commit({ key: "owner.e", value: "x" }, { key: "e", value: "5", guard })).toMatchObject(conflict)
      expect(await valueOf("e")).toBe("2")
    })

    it("takes 1,000 writes at once and refuses 1,001 whole", async () => {
      const writes = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `f${index}`, value: "x" }))
      expect(await commit(...writes(1_001))).toMatchObject({ _tag: "BrokerRefused", code: 10_199 })
      expect(await valueOf("f0")).toBeUndefined()
      const first = Number(await commit(...writes(1_000)))
      expect(await bucket((ledger) => ledger.at(first + 999))).toMatchObject({ key: "f999" })
    })

    it("reads many keys at once, whatever this process was told of them, those that are not there, and large ones", async () => {
      const read = (keys: ReadonlyArray<string>) =>
        bucket((ledger) => Effect.forEach(keys, ledger.latestTold, { concurrency: "unbounded" }))
      await put("owner.h")
      expect(await read(["h-none", "h-never"])).toEqual([undefined, undefined])
      expect(await read(["owner.h"])).toMatchObject([{ key: "owner.h", value: "v" }])
      // More than one request names, and more than one answer holds.
      const large = "x".repeat(100_000)
      const writes = Array.from({ length: 700 }, (_, index) => ({
        key: `h${index}`,
        value: index < 12 ? large : `${index}`
      }))
      const first = Number(await commit(...writes))
      const keys = writes.flatMap(({ key }) => [key, `${key}-none`])
      const found = await read([...keys, ...keys])
      if (!Array.isArray(found)) throw found
      const wanted = writes.flatMap(({ key, value }, index) => [{ key, value, sequence: first + index }, undefined])
      const plain = found.map((value) => value && { key: value.key, value: value.value, sequence: value.sequence })
      expect(plain).toEqual([...wanted, ...wanted])
    })

    it("forgets the history of a key, and keeps its newest value and everything else", async () => {
      const other = await put("g-other")
      const old = await put("g", "1")
      const newest = await put("g", "2")
      await bucket((ledger) => ledger.forgetHistory("g"))
      expect(await bucket((ledger) => ledger.at(old))).toBeUndefined()
      expect(await bucket((ledger) => ledger.at(newest))).toMatchObject({ value: "2" })
      expect(await bucket((ledger) => ledger.at(other))).toMatchObject({ key: "g-other" })
      expect(await commit({ key: "g", value: "3", expected: newest })).toBe(newest + 1)
    })
  })

  describe("the input log", () => {
    beforeAll(async () => void (bench = await open(usual)))
    afterAll(() => bench.stop())

    it("is empty at first", async () => {
      expect(await input((log) => log.bounds)).toMatchObject({ last: 0 })
      expect(await input((log) => log.lastSequence(0))).toBe(0)
      expect(await input((log) => log.messageFrom(1))).toBeUndefined()
    })

    it("puts what names no partition into that of its user", async () => {
      const user = userIn(3, "direct")
      const { sequence } = await append(`purchases.${user}`, "direct")
      expect(await input((log) => log.lastSequence(3))).toBe(sequence)
    })

    it("has nobody for a partition that does not exist", async () => {
      expect(await input((log) => log.append(`purchases.${partitions}.x`, "x", "{}"))).toMatchObject({
        _tag: "BrokerUnavailable",
        unserved: true
      })
    })

    it("drops what has a message id that it has seen, whatever is in it", async () => {
      const first = await append("purchases.1.dup", "same", "1")
      expect(first.duplicate).toBe(false)
      expect(await append("purchases.1.dup", "same", "1")).toEqual({ sequence: first.sequence, duplicate: true })
      expect(await append("purchases.2.other", "same", "2")).toEqual({ sequence: first.sequence, duplicate: true })
      expect(await append("purchases.1.dup", "another", "1")).toEqual({
        sequence: first.sequence + 1,
        duplicate: false
      })
    })

    it("knows the newest message of a partition over all of its users", async () => {
      const one = await append("purchases.4.one", "last-1")
      expect(await input((log) => log.lastSequence(4))).toBe(one.sequence)
      const two = await append("purchases.4.=many", "last-2")
      await append("purchases.5.one", "last-3")
      expect(await input((log) => log.lastSequence(4))).toBe(two.sequence)
    })

    it("knows the newest message of a partition after a sequence, or that there is none", async () => {
      const after = (sequence: number) => input((log) => log.newestAfter(7, sequence))
      expect(await after(5)).toBe(5)
      const one = await append("purchases.7.one", "after-1")
      const two = await append("purchases.7.=many", "after-2")
      const other = await append("purchases.5.one", "after-3")
      expect([await after(0), await after(one.sequence - 1), await after(one.sequence)]).toEqual([
        two.sequence,
        two.sequence,
        two.sequence
      ])
      expect([await after(two.sequence), await after(other.sequence), await after(other.sequence + 9)]).toEqual([
        two.sequence,
        other.sequence,
        other.sequence + 9
      ])
    })

    it("refuses a message that is too large, and stores the next", async () => {
      const bytesMax = Number(await outcome(Effect.map(Topology, ({ messageBytesMax }) => messageBytesMax)))
      expect(await input((log) => log.append("purchases.1.large", "large", "x".repeat(bytesMax + 1)))).toMatchObject({
        _tag: "BrokerRefused",
        code: 10_054
      })
      expect(await append("purchases.1.large", "largest", "x".repeat(bytesMax - 1_000))).toMatchObject({
        duplicate: false
      })
    })

    it("purges what is below a sequence, and then all", async () => {
      const sequences: Array<number> = []
      for (const id of ["p1", "p2", "p3"]) sequences.push((await append("purchases.6.purged", id)).sequence)
      const [, second, third] = sequences
      await input((log) => log.purgeBelow(second ?? 0))
      expect(await input((log) => log.bounds)).toEqual({ first: second, last: third })
      expect(await input((log) => log.messageFrom(1))).toMatchObject({ sequence: second })
      expect(await input((log) => log.messageFrom(third ?? 0))).toMatchObject({ sequence: third })
      expect(await input((log) => log.messageFrom((third ?? 0) + 1))).toBeUndefined()
      await input((log) => log.purgeBelow((third ?? 0) + 1))
      expect(await input((log) => log.bounds)).toEqual({ first: (third ?? 0) + 1, last: third })
      expect(await input((log) => log.lastSequence(6))).toBe(0)
      // What is purged is not forgotten, and the numbers go on.
      expect(await append("purchases.6.purged", "p3")).toEqual({ sequence: third, duplicate: true })
      expect(await append("purchases.6.purged", "p4")).toEqual({ sequence: (third ?? 0) + 1, duplicate: false })
    })
  })

  describe("an input log with small limits", () => {
    beforeAll(async () => {
      bench = await open({ ...usual, duplicateWindowMilliseconds: 300, inputBytesMax: 1024 ** 2 })
    })
    afterAll(() => bench.stop())

    it("forgets a message id after its window, which a repeat does not renew", async () => {
      const first = await append("purchases.0.window", "window")
      let repeats = 0
      const again = await input((log) =>
        Effect.repeat(Effect.delay(log.append("purchases.0.window", "window", "{}"), 50), {
          until: ({ duplicate }) => {
            repeats += 1
            return !duplicate
          }
        }).pipe(Effect.timeout("20 seconds"))
      )
      expect(repeats).toBeGreaterThan(2)
      expect(again).toMatchObject({ sequence: first.sequence + 1 })
    })

    it("refuses what is too much, and takes more when something is purged", async () => {
      const large = "x".repeat(200 * 1024)
      let last = 0
      let failure: unknown
      for (let index = 0; index < 10 && failure === undefined; index += 1) {
        const stored = await input((log) => log.append("purchases.0.full", `full-${index}`, large))
        if ("sequence" in stored) last = stored.sequence
        else failure = stored
      }
      expect(failure).toMatchObject({ _tag: "BrokerRefused", code: 10_077 })
      await input((log) => log.purgeBelow(last))
      expect(await append("purchases.0.full", "after", large)).toMatchObject({ sequence: last + 1 })
    })
  })

  describe("a consumer", () => {
    let epochs = 0

    beforeAll(async () => void (bench = await open(usual)))
    afterAll(() => bench.stop())

    const publish = async (partition: number, count: number): Promise<ReadonlyArray<number>> => {
      const sequences: Array<number> = []
      for (let index = 0; index < count; index += 1) {
        epochs += 1
        sequences.push((await append(`purchases.${partition}.u`, `consumed-${epochs}`, String(index))).sequence)
      }
      return sequences
    }

    const create = (partition: number, epoch: number, from: number, unacknowledgedMax = 100) =>
      Effect.flatMap(PartitionConsumer, (consumers) => consumers.create(partition, epoch, from, unacknowledgedMax))

    /** Pulls, and keeps what comes. */
    const pull = (partition: number, epoch: number, messages: number) =>
      Effect.gen(function* () {
        const consumers = yield* PartitionConsumer
        const deliveries: Array<Delivery> = []
        const lost: Array<string> = []
        const pulled = yield* consumers.pull(partition, epoch, {
          delivered: (delivery) => void deliveries.push(delivery),
          ended: () => undefined,
          lost: (reason) => void lost.push(reason)
        })
        pulled.request(messages, 1024 ** 2)
        return { deliveries, lost, ...pulled }
      })

    const numbersOf = (deliveries: ReadonlyArray<Delivery>) =>
      deliveries.map(({ sequence, deliverySequence }) => [sequence, deliverySequence])

    it("delivers from a sequence on what its partition has, numbered from 1", async () => {
      const [, second, third] = await publish(1, 3)
      await publish(2, 1)
      const [fourth] = await publish(1, 1)
      const deliveries = await outcome(
        Effect.gen(function* () {
          yield* create(1, 10, second ?? 0)
          const { deliveries, outstanding } = yield* pull(1, 10, 10)
          yield* until(() => deliveries.length === 3)
          expect(outstanding().messages).toBe(7)
          return deliveries
        })
      )
      expect(numbersOf(deliveries as ReadonlyArray<Delivery>)).toEqual([
        [second, 1],
        [third, 2],
        [fourth, 3]
      ])
      expect((deliveries as ReadonlyArray<Delivery>).map(({ payload }) => Buffer.from(payload).toString())).toEqual([
        "1",
        "2",
        "0"
      ])
    })

    it("delivers no more than was asked for, and what comes later", async () => {
      const [first, second] = await publish(3, 2)
      const numbers = await outcome(
        Effect.gen(function* () {
          yield* create(3, 20, first ?? 0)
          const { deliveries, request } = yield* pull(3, 20, 1)
          yield* until(() => deliveries.length === 1)
          request(5, 1024 ** 2)
          yield* until(() => deliveries.length === 2)
          const log = yield* InputLog
          yield* log.append("purchases.3.u", "comes-later", "{}")
          yield* until(() => deliveries.length === 3)
          return numbersOf(deliveries)
        })
      )
      expect(numbers).toEqual([
        [first, 1],
        [second, 2],
        [(second ?? 0) + 1, 3]
      ])
    })

    it("begins behind what was purged, and its numbers do not show that", async () => {
      const [first, , third] = await publish(4, 3)
      await input((log) => log.purgeBelow(third ?? 0))
      const numbers = await outcome(
        Effect.gen(function* () {
          yield* create(4, 30, first ?? 0)
          const { deliveries } = yield* pull(4, 30, 10)
          yield* until(() => deliveries.length > 0)
          return numbersOf(deliveries)
        })
      )
      expect(numbers).toEqual([[third, 1]])
    })

    it("delivers again what is refused: a new number and the old sequence; and not what is acknowledged", async () => {
      const [first, second] = await publish(5, 2)
      const numbers = await outcome(
        Effect.gen(function* () {
          yield* create(5, 40, first ?? 0)
          const { deliveries, acknowledge, confirmed } = yield* pull(5, 40, 10)
          yield* until(() => deliveries.length === 2)
          const [one, two] = deliveries
          if (one === undefined || two === undefined) return []
          acknowledge(one)
          yield* confirmed
          yield* bench.refuse(one)
          yield* bench.refuse(two)
          yield* until(() => deliveries.length === 3)
          return numbersOf(deliveries)
        })
      )
      expect(numbers).toEqual([
        [first, 1],
        [second, 2],
        [second, 3]
      ])
    })

    it("stops at its most unacknowledged, and goes on when something is acknowledged", async () => {
      const [first] = await publish(6, 3)
      const counts = await outcome(
        Effect.gen(function* () {
          yield* create(6, 50, first ?? 0, 2)
          const { deliveries, acknowledge, confirmed } = yield* pull(6, 50, 10)
          yield* until(() => deliveries.length === 2)
          const [one] = deliveries
          if (one === undefined) return []
          acknowledge(one)
          yield* confirmed
          yield* until(() => deliveries.length === 3)
          return numbersOf(deliveries).map(([, number]) => number)
        })
      )
      expect(counts).toEqual([1, 2, 3])
    })

    it("stays as it is when it is created again", async () => {
      const [first, second] = await publish(7, 2)
      const numbers = await outcome(
        Effect.gen(function* () {
          yield* create(7, 60, first ?? 0)
          const { deliveries, request } = yield* pull(7, 60, 1)
          yield* until(() => deliveries.length === 1)
          yield* create(7, 60, first ?? 0)
          request(1, 1024 ** 2)
          yield* until(() => deliveries.length === 2)
          return numbersOf(deliveries)
        })
      )
      expect(numbers).toEqual([
        [first, 1],
        [second, 2]
      ])
    })

    it("that is deleted ends its pull; a later epoch's stays", async () => {
      const result = await outcome(
        Effect.gen(function* () {
          const consumers = yield* PartitionConsumer
          const log = yield* InputLog
          const { last } = yield* log.bounds
          yield* create(0, 70, last + 1)
          yield* create(0, 71, last + 1)
          const old = yield* pull(0, 70, 10)
          const later = yield* pull(0, 71, 10)
          // The pull requests have arrived when something comes through them.
          yield* log.append("purchases.0.u", "before-deletion", "{}")
          yield* until(() => old.deliveries.length === 1 && later.deliveries.length === 1)
          yield* consumers.deleteBefore(0, 71)
          yield* until(() => old.lost.length > 0)
          yield* log.append("purchases.0.u", "after-deletion", "{}")
          yield* until(() => later.deliveries.length === 2)
          return { old: old.deliveries.length, lost: old.lost.length, later: later.lost }
        })
      )
      expect(result).toEqual({ old: 1, lost: 1, later: [] })
    })

    it("that does not exist is lost at once", async () => {
      const lost = await outcome(
        Effect.gen(function* () {
          const { lost } = yield* pull(0, 999, 10)
          yield* until(() => lost.length > 0)
          return lost.length
        })
      )
      expect(lost).toBe(1)
    })
  })

  describe("a query", () => {
    beforeAll(async () => void (bench = await open(usual)))
    afterAll(() => bench.stop())

    const identity = (epoch: number) => ({ worker: "w", epoch })

    it("fails at once where nobody serves the partition", async () => {
      expect(await outcome(Effect.flatMap(QueryTransport, (queries) => queries.ask(1, "?", 5_000)))).toMatchObject({
        _tag: "BrokerUnavailable",
        unserved: true
      })
    })

    it("reaches each who serves the partition, and takes the first answer, also an empty one", async () => {
      const asked: Array<string> = []
      const answers = await outcome(
        Effect.gen(function* () {
          const queries = yield* QueryTransport
          yield* queries.serve(2, identity(1), (payload) => void asked.push(`silent ${payload}`))
          yield* queries.serve(2, identity(2), (payload, reply) => {
            asked.push(`other ${payload}`)
            reply(payload === "empty" ? "" : `to ${payload}`)
          })
          const answers = [yield* queries.ask(2, "full", 5_000), yield* queries.ask(2, "empty", 5_000)]
          yield* until(() => asked.length === 4)
          return answers
        })
      )
      expect(answers).toEqual(["to full", ""])
      expect(asked.sort()).toEqual(["other empty", "other full", "silent empty", "silent full"])
    })

    it("has an unknown outcome where who serves stays silent", async () => {
      const result = await outcome(
        Effect.gen(function* () {
          const queries = yield* QueryTransport
          yield* queries.serve(3, identity(3), () => undefined)
          return yield* queries.ask(3, "?", 200)
        })
      )
      expect(result).toMatchObject({ _tag: "OutcomeUnknown" })
    })
  })

  describe("signs of life", () => {
    beforeAll(async () => void (bench = await open(usual)))
    afterAll(() => bench.stop())

    const workers = <A, E>(use: (workers: (typeof WorkerBucket)["Service"]) => Effect.Effect<A, E>) =>
      outcome(Effect.flatMap(WorkerBucket, use))
    const announce = async (worker: string, instance: number) =>
      Number(await workers((signs) => signs.announce(worker, instance)))
    const read = async () => {
      const signs = (await workers(({ read }) => read)) as ReadonlyArray<WorkerSign>
      return signs.map(({ worker, instance }) => `${worker} ${instance}`).sort()
    }

    it("are numbered; the newest of each worker is read, but for those who left", async () => {
      const first = await announce("one", 0)
      expect(await announce("one", first)).toBe(first + 1)
      await announce("two/odd name", 7)
      expect(await read()).toEqual([`one ${first}`, "two/odd name 7"])
      await workers((signs) => signs.leave("one", first))
      expect(await read()).toEqual(["two/odd name 7"])
    })

    it("are heard as they are given", async () => {
      const heard: Array<string> = []
      await outcome(
        Effect.gen(function* () {
          const signs = yield* WorkerBucket
          yield* signs.watch(({ worker, instance, isLeaving }) => {
            heard.push(`${worker} ${instance} ${isLeaving}`)
          })
          yield* signs.announce("three", 1)
          yield* signs.leave("three", 1)
          yield* until(() => heard.length === 2)
        })
      )
      expect(heard).toEqual(["three 1 false", "three 1 true"])
    })

    it("outlive a broker that restarts with their numbers, as the ledger and the log do", async () => {
      const sign = await announce("four", 5)
      const { sequence } = await append("purchases.1.kept", "kept")
      const revision = Number(await bucket((ledger) => ledger.put("kept", "v")))
      await bench.restart()
      await outcome(
        Effect.gen(function* () {
          const link = yield* BrokerLink
          yield* until(link.isConnected)
        })
      )
      expect(await read()).toContain("four 5")
      expect(await announce("four", 5)).toBe(sign + 1)
      expect(await bucket((ledger) => ledger.latest("kept"))).toMatchObject({ sequence: revision })
      expect(await input((log) => log.lastSequence(1))).toBe(sequence)
      expect(await append("purchases.1.kept", "kept")).toEqual({ sequence, duplicate: true })
    })
  })
})
