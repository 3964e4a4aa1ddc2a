import { Effect } from "effect"
import { expect, it } from "vitest"
import { InputLog } from "../../src/nats/InputLog.ts"
import type { Delivery } from "../../src/nats/Delivery.ts"
import { PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import { onBoth, until, usual } from "./OnBoth.ts"

onBoth("a consumer", usual, ({ outcome, input, append, refuse }) => {
  let epochs = 0

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

  /** Pulls from the consumer of an epoch, and keeps the deliveries. */
  const pull = (partition: number, epoch: number, messages: number) =>
    Effect.gen(function* () {
      const consumers = yield* PartitionConsumer
      const deliveries: Array<Delivery> = []
      const lost: Array<string> = []
      const pulled = yield* consumers.pull(partition, epoch, {
        delivered: (delivery) => void deliveries.push(delivery),
        ended: () => undefined,
        oversized: () => undefined,
        lost: (reason) => void lost.push(reason)
      })
      pulled.request(messages, 1024 ** 2)
      return { deliveries, lost, ...pulled }
    })

  const numbersOf = (deliveries: ReadonlyArray<Delivery>) =>
    deliveries.map(({ sequence, deliverySequence }) => [sequence, deliverySequence])

  it("a consumer delivers the messages of its partition from a sequence on, numbered from 1", async () => {
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

  it("a delivery names the user of a message, and names no user for a message with many users", async () => {
    const first = await append("purchases.2.ann=40x", "sent-for-1")
    await append("purchases.2.=many", "sent-for-2")
    await append("purchases.2.=manyx", "sent-for-3")
    const userTokens = await outcome(
      Effect.gen(function* () {
        yield* create(2, 15, first.sequence)
        const { deliveries } = yield* pull(2, 15, 3)
        yield* until(() => deliveries.length === 3)
        return deliveries.map(({ userToken }) => userToken)
      })
    )
    expect(userTokens).toEqual(["ann=40x", undefined, "=manyx"])
  })

  it("a consumer delivers up to the requested number of messages, and waits for further messages", async () => {
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

  it("a consumer begins behind purged messages, and its delivery numbers have no gap", async () => {
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

  it("a refused message is delivered again with a new number, unless it is acknowledged", async () => {
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
        yield* refuse(one)
        yield* refuse(two)
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

  it("a consumer stops at its limit of unacknowledged messages, until a message is acknowledged", async () => {
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

  it("a consumer that is created again keeps its state", async () => {
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

  it("when a consumer is deleted, its pull ends, and the consumer of a later epoch stays", async () => {
    const result = await outcome(
      Effect.gen(function* () {
        const consumers = yield* PartitionConsumer
        const log = yield* InputLog
        const { last } = yield* log.bounds
        yield* create(0, 70, last + 1)
        yield* create(0, 71, last + 1)
        const old = yield* pull(0, 70, 10)
        const later = yield* pull(0, 71, 10)
        // A delivery shows that the pull requests have arrived at the broker.
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

  it("a pull from a missing consumer reports at once that the consumer is lost", async () => {
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
