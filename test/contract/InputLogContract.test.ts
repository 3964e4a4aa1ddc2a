import { Effect } from "effect"
import { expect, it } from "vitest"
import { Topology } from "../../src/nats/Topology.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"
import { onBoth, partitions, usual } from "./OnBoth.ts"

onBoth("the input log", usual, ({ outcome, input, append }) => {
  it("an input log is empty at first", async () => {
    expect(await input((log) => log.bounds)).toMatchObject({ last: 0 })
    expect(await input((log) => log.lastSequence(0))).toBe(0)
    expect(await input((log) => log.messageFrom(1))).toBeUndefined()
  })

  it("a purchase on a subject without a partition goes into the partition of its user", async () => {
    const user = userIn(3, partitions, "direct")
    const { sequence } = await append(`purchases.${user}`, "direct")
    expect(await input((log) => log.lastSequence(3))).toBe(sequence)
  })

  it("a purchase for a partition that does not exist is not stored", async () => {
    expect(await input((log) => log.append(`purchases.${partitions}.x`, "x", "{}"))).toMatchObject({
      _tag: "BrokerUnavailable",
      unserved: true
    })
  })

  it("a message whose id came before is dropped, even if its payload differs", async () => {
    const first = await append("purchases.1.dup", "same", "1")
    expect(first.duplicate).toBe(false)
    expect(await append("purchases.1.dup", "same", "1")).toEqual({ sequence: first.sequence, duplicate: true })
    expect(await append("purchases.2.other", "same", "2")).toEqual({ sequence: first.sequence, duplicate: true })
    expect(await append("purchases.1.dup", "another", "1")).toEqual({
      sequence: first.sequence + 1,
      duplicate: false
    })
  })

  it("the newest message of a partition is the newest message of all its users together", async () => {
    const one = await append("purchases.4.one", "last-1")
    expect(await input((log) => log.lastSequence(4))).toBe(one.sequence)
    const two = await append("purchases.4.=many", "last-2")
    await append("purchases.5.one", "last-3")
    expect(await input((log) => log.lastSequence(4))).toBe(two.sequence)
  })

  it("a read returns a partition's newest message after a sequence, or undefined if there is no later message", async () => {
    const after = (sequence: number) => input((log) => log.newestAfter(7, sequence))
    expect(await after(5)).toBe(5)
    const one = await append("purchases.7.one", "after-1")
    const two = await append("purchases.7.=many", "after-2")
    const other = await append("purchases.5.one", "after-3")
    expect({
      fromStart: await after(0),
      beforeFirst: await after(one.sequence - 1),
      afterFirst: await after(one.sequence)
    }).toEqual({ fromStart: two.sequence, beforeFirst: two.sequence, afterFirst: two.sequence })
    expect({
      afterSecond: await after(two.sequence),
      afterOther: await after(other.sequence),
      afterEnd: await after(other.sequence + 9)
    }).toEqual({ afterSecond: two.sequence, afterOther: other.sequence, afterEnd: other.sequence + 9 })
  })

  it("a message that is too large is refused, and the next message is stored", async () => {
    const bytesMax = Number(await outcome(Effect.map(Topology, ({ messageBytesMax }) => messageBytesMax)))
    expect(await input((log) => log.append("purchases.1.large", "large", "x".repeat(bytesMax + 1)))).toMatchObject({
      _tag: "BrokerRefused",
      code: 10_054
    })
    expect(await append("purchases.1.large", "largest", "x".repeat(bytesMax - 1_000))).toMatchObject({
      duplicate: false
    })
  })

  it("a purge removes the messages below a sequence, and a later purge removes all messages", async () => {
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
    // The broker remembers the ids of purged messages, and does not use the sequences of purged messages again.
    expect(await append("purchases.6.purged", "p3")).toEqual({ sequence: third, duplicate: true })
    expect(await append("purchases.6.purged", "p4")).toEqual({ sequence: (third ?? 0) + 1, duplicate: false })
  })
})

onBoth(
  "an input log with small limits",
  { ...usual, duplicateWindowMilliseconds: 2_000, inputBytesMax: 1024 ** 2 },
  ({ input, append }) => {
    it("the broker forgets a message id after the duplicate window, which a repeat does not renew", async () => {
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
      // At least one repeat came within the duplicate window. If a repeat renewed the duplicate window, no later
      // attempt would ever be stored.
      expect(repeats).toBeGreaterThan(1)
      expect(again).toMatchObject({ sequence: first.sequence + 1 })
    })

    it("a full input log refuses messages, and accepts messages again after a purge", async () => {
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
  }
)
