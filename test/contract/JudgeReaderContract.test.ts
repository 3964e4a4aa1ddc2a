import { Effect, type Scope } from "effect"
import { expect, it } from "vitest"
import type { BrokerServices } from "../../src/harness/simulation/SimulatedBroker.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { JudgeReader } from "../../src/nats/JudgeReader.ts"
import { RuleValues } from "../../src/nats/RuleValues.ts"
import type { RulesValue } from "../../src/nats/RulesAsOf.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { onBoth, usual } from "./OnBoth.ts"

onBoth("the reader of judges", usual, ({ outcome }) => {
  const conflict = { _tag: "CommitConflict" }
  const append = async (partition: number, text: string, after: number) =>
    Number(await outcome(Effect.flatMap(CommitChain, (real) => real.append(partition, text, after))))
  const putRules = (owner: string, text: string, after: number) =>
    outcome(Effect.flatMap(RuleValues, (real) => real.append(owner, text, after)))
  const rulesAsOf = async (through: number) => {
    const newest = new Map<string, RulesValue>()
    await outcome(
      Effect.flatMap(JudgeReader, (real) =>
        real.rulesAsOf(through, (value) => void newest.set(value.ownerToken, value))
      )
    )
    return [...newest.values()].map(({ ownerToken, text }) => `${ownerToken} ${text}`).toSorted()
  }
  /** Reads a number of messages of the journal behind a sequence. */
  const read = (
    after: number,
    count: number
  ): Effect.Effect<ReadonlyArray<string>, unknown, BrokerServices | Scope.Scope> =>
    Effect.gen(function* () {
      const reader = yield* JudgeReader
      const pull = yield* reader.read(after)
      const texts: Array<string> = []
      while (texts.length < count) {
        for (const { payload, sequence } of yield* pull.take)
          texts.push(`${sequence} ${Buffer.from(payload).toString()}`)
      }
      return texts
    })

  it("a judge reads the rules as they were at any sequence, and commits and rules in one order", async () => {
    expect(await outcome(Effect.flatMap(JudgeReader, ({ firstRules }) => firstRules))).toBeUndefined()
    expect(await rulesAsOf(10)).toEqual([])
    const one = await append(0, "commit one", 0)
    const first = Number(await putRules("ann", "ann 1", 0))
    const second = Number(await putRules("bob", "bob 1", 0))
    await outcome(
      Effect.flatMap(RejectedRecords, (real) =>
        real.record({ inputSequence: 1, index: 0, reason: "bad", payload: "x", encoding: "text" })
      )
    )
    const two = await append(1, "commit two", 0)
    const third = Number(await putRules("ann", "ann 2", first))
    expect(await outcome(Effect.flatMap(JudgeReader, ({ firstRules }) => firstRules))).toBe(first)
    expect(await rulesAsOf(first - 1)).toEqual([])
    expect(await rulesAsOf(first)).toEqual(["ann ann 1"])
    expect(await rulesAsOf(two)).toEqual(["ann ann 1", "bob bob 1"])
    for (const through of [third, third + 1_000]) expect(await rulesAsOf(through)).toEqual(["ann ann 2", "bob bob 1"])
    const all = [`${one} commit one`, `${first} ann 1`, `${second} bob 1`, `${two} commit two`, `${third} ann 2`]
    expect(await outcome(read(0, all.length))).toEqual(all)
    expect(await outcome(read(second, 2))).toEqual(all.slice(3))
  })

  it("a judge that waits for a message gets the message as soon as it is stored", async () => {
    const before = Number(await putRules("cat", "cat 1", 0))
    const waited = Effect.gen(function* () {
      const reader = yield* JudgeReader
      const rules = yield* RuleValues
      const pull = yield* reader.read(before)
      yield* rules.append("cat", "cat 2", before)
      const [message] = yield* pull.take
      return message && Buffer.from(message.payload).toString()
    })
    expect(await outcome(waited)).toBe("cat 2")
  })

  it("only a writer that has read the newest rules of an owner can replace the rules", async () => {
    const first = Number(await putRules("dan", "dan 1", 0))
    for (const wrong of [0, first - 1, first + 1]) expect(await putRules("dan", "wrong", wrong)).toMatchObject(conflict)
    expect(await outcome(Effect.flatMap(RuleValues, ({ newest }) => newest("dan")))).toEqual({
      sequence: first,
      text: "dan 1"
    })
    expect(await outcome(Effect.flatMap(RuleValues, ({ newest }) => newest("eve")))).toBeUndefined()
  })
})
