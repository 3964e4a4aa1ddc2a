import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import * as fc from "fast-check"
import { describe, expect } from "vitest"
import { OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { encodeCommit, headOf, revisionLinesOf, tokenOfLine } from "../../src/protocol/Commit.ts"
import { type ChainEpoch, openChainWriter } from "../../src/ledger/ChainWriter.ts"
import { type InputMessage, InputProgress } from "../../src/ledger/InputProgress.ts"
import type { RevisionProposal } from "../../src/ledger/ProposalQueue.ts"
import { CommitChain, type JournalRecord } from "../../src/nats/CommitChain.ts"
import { CommitConflict } from "../../src/nats/client/ConditionalAppend.ts"

const takeover = 7

/** A chain that holds each append until the test answers it. */
class HeldChain {
  readonly appended: Array<{ readonly text: string; readonly after: number }> = []
  /** The leader's messages that are newer than the newest message of the writer, in order. */
  later: Array<JournalRecord> = []
  asked = 0
  private answers: Array<Deferred.Deferred<number, CommitConflict | OutcomeUnknown>> = []

  readonly layer = Layer.sync(CommitChain, () =>
    CommitChain.of({
      newest: () => Effect.undefined,
      append: (_partition, text, after) =>
        Effect.suspend(() => {
          const answer = Deferred.makeUnsafe<number, CommitConflict | OutcomeUnknown>()
          this.appended.push({ text, after })
          this.answers.push(answer)
          return Deferred.await(answer)
        }),
      seal: () => Effect.die(new Error("no segments here")),
      at: () => Effect.undefined,
      page: () => Effect.succeed([]),
      next: (_partition, after) =>
        Effect.sync(() => {
          this.asked += 1
          return this.later.find(({ sequence }) => sequence > after)
        })
    })
  )

  get held(): number {
    return this.answers.length
  }

  /** Answers the oldest append that is held, and lets the writer go on. */
  answer(outcome: Effect.Effect<number, CommitConflict | OutcomeUnknown>) {
    return Effect.suspend(() => {
      const held = this.answers.shift()
      if (held === undefined) throw new Error("no append is held")
      Deferred.doneUnsafe(held, outcome)
      return settle
    })
  }

  /** All commits that were appended: their users, their heads, and the commit that each expects. */
  get commits() {
    return this.appended.map(({ text, after }) => {
      const { epoch, position } = headOf(text)
      return { users: revisionLinesOf(text).map(tokenOfLine), position, epoch, after }
    })
  }
}

/** Lets every fiber run until all of them wait. */
const settle = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

class TestEpoch implements ChainEpoch<number> {
  readonly partition = 0
  readonly worker = "worker"
  readonly epoch = takeover
  readonly progress = new InputProgress<number>(0)
  readonly told: Array<{ users: ReadonlyArray<string>; sequence: number; messages: ReadonlyArray<number> }> = []
  /** The number of purchases of each commit. */
  readonly purchases: Array<number> = []
  readonly failures: Array<string> = []
  /** The newest commit that was reported to the epoch. */
  newest = { users: [] as ReadonlyArray<string>, sequence: 0 }
  private received = 0

  readonly isOpen = () => this.failures.length === 0
  readonly failed = (reason: string) => void this.failures.push(reason)
  readonly stored = (users: ReadonlyArray<string>, sequence: number) => void (this.newest = { users, sequence })
  readonly committed = (messages: ReadonlyArray<InputMessage<number>>, purchases: number) => {
    this.told.push({ ...this.newest, messages: messages.map((message) => message.sequence) })
    this.purchases.push(purchases)
  }

  receive(parts = 1): InputMessage<number> {
    this.received += 1
    return this.progress.receive(this.received, parts, this.received)
  }
}

/** A commit of an epoch as the leader has it. */
const commitOf = (epoch: number, sequence: number): JournalRecord => ({
  sequence,
  storedAt: 0,
  text: encodeCommit({ kind: "commit", epoch, worker: "w", position: 0 }, [])
})

const lineOf = (userToken: string, bytes = 20): string => JSON.stringify([userToken, "x".repeat(bytes)])
const proposal = (
  userToken: string,
  parts: ReadonlyArray<InputMessage<number>>,
  purchases = parts.length
): RevisionProposal<number> => ({
  userToken,
  line: () => lineOf(userToken),
  parts,
  purchases,
  committed: () => undefined
})

const setUp = Effect.gen(function* () {
  const chain = new HeldChain()
  const epoch = new TestEpoch()
  const writer = yield* openChainWriter(epoch).pipe(Effect.provide(chain.layer))
  return { chain, epoch, writer }
})

describe("the writer of a chain", () => {
  it.effect("the writer has one commit in flight, and proposals that come meanwhile go into the next commit", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit(proposal("ann", [epoch.receive()]))
      yield* settle
      writer.submit(proposal("bob", [epoch.receive()]))
      writer.submit(proposal("cid", [epoch.receive()]))
      yield* settle
      expect(chain.appended).toHaveLength(1)
      yield* chain.answer(Effect.succeed(20))

      expect(chain.commits).toEqual([
        { users: ["ann"], position: 1, epoch: takeover, after: takeover },
        { users: ["bob", "cid"], position: 3, epoch: takeover, after: 20 }
      ])
      expect(epoch.told).toEqual([{ users: ["ann"], sequence: 20, messages: [1] }])
    })
  )

  it.effect("the writer reports a stored commit to the epoch, then to its proposers, and last its messages", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      const seen: Array<unknown> = []
      const parts = [epoch.receive()]
      const committed = (sequence: number) =>
        void seen.push({ sequence, newest: epoch.newest.sequence, told: epoch.told.length })
      writer.submit({ ...proposal("ann", parts), committed })
      yield* settle
      expect({ seen, newest: epoch.newest.sequence }).toEqual({ seen: [], newest: 0 })
      yield* chain.answer(Effect.succeed(20))
      expect({ seen, told: epoch.told.length }).toEqual({
        seen: [{ sequence: 20, newest: 20, told: 0 }],
        told: 1
      })
    })
  )

  it.effect("the writer moves the position over a message only when all users of the message are finished", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      const [first, second] = [epoch.receive(2), epoch.receive()]
      writer.submit(proposal("ann", [first, second]))
      yield* settle
      yield* chain.answer(Effect.succeed(20))
      writer.submit(proposal("bob", [first]))
      yield* settle
      yield* chain.answer(Effect.succeed(21))

      expect(chain.commits.map(({ users, position }) => ({ users, position }))).toEqual([
        { users: ["ann"], position: 0 },
        { users: ["bob"], position: 2 }
      ])
      expect(epoch.told.map(({ messages }) => messages)).toEqual([[], [1, 2]])
    })
  )

  it.effect("the writer tells how many purchases a commit has, also before the position passes their messages", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      const first = epoch.receive(2)
      writer.submit(proposal("ann", [first], 3))
      writer.submit({ ...proposal("cid", [epoch.receive()], 4), line: () => undefined })
      yield* settle
      writer.submit(proposal("bob", [first], 2))
      yield* settle
      expect(epoch.purchases).toEqual([])
      yield* chain.answer(Effect.succeed(20))
      expect(epoch.purchases).toEqual([7])
      yield* chain.answer(Effect.succeed(21))
      expect(epoch.purchases).toEqual([7, 2])
      expect(epoch.told.map(({ messages }) => messages)).toEqual([[], [1, 2]])
    })
  )

  it.effect("the writer stores a commit with the position and no revision if all input was decided before", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit({ ...proposal("ann", [epoch.receive()]), line: () => undefined })
      yield* settle
      expect(chain.commits).toEqual([{ users: [], position: 1, epoch: takeover, after: takeover }])
      yield* chain.answer(Effect.succeed(20))
      expect(epoch.told).toEqual([{ users: [], sequence: 20, messages: [1] }])
    })
  )

  it.effect.each([
    ["refused", new CommitConflict({ reason: "wrong last sequence" })],
    ["not answered", new OutcomeUnknown({ operation: "commit", reason: "no answer in time" })]
  ] as const)("after a commit that was %s, the writer reports nothing and appends nothing", ([, failure]) =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit(proposal("ann", [epoch.receive()]))
      yield* settle
      writer.submit(proposal("bob", [epoch.receive()]))
      yield* chain.answer(Effect.fail(failure))
      expect({ failures: epoch.failures, told: epoch.told, appends: chain.appended.length }).toEqual({
        failures: [failure.message],
        told: [],
        appends: 1
      })
      yield* writer.settled
    })
  )

  it.effect("the writer is settled when all proposals are stored", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      yield* writer.settled
      writer.submit(proposal("ann", [epoch.receive()]))
      const waiting = yield* Effect.forkChild(writer.settled, { startImmediately: true })
      yield* settle
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* chain.answer(Effect.succeed(20))
      yield* Fiber.join(waiting)
    })
  )
})

describe("the commits of a chain", () => {
  type Step = "answer" | { readonly user: number; readonly parts: ReadonlyArray<number>; readonly isLine: boolean }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 2, arbitrary: fc.constant("answer" as const) },
    {
      weight: 3,
      arbitrary: fc.record({
        user: fc.nat({ max: 5 }),
        parts: fc.array(fc.nat({ max: 19 }), { maxLength: 3 }),
        isLine: fc.boolean()
      })
    }
  )

  /** Takes steps over 20 messages of a few parts each, and after them all remaining steps. */
  const run = (partsOf: ReadonlyArray<number>, steps: ReadonlyArray<Step>) =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      const messages = partsOf.map((parts) => epoch.receive(parts))
      const left = [...partsOf]
      const submitted: Array<string> = []
      /** The number of finished parts of each message when a commit was appended, by the number of the append. */
      const finished: Array<ReadonlyArray<number>> = []
      const told: Array<readonly [string, number]> = []
      let sequence = takeover
      const submit = (user: string, wanted: ReadonlyArray<number>, isLine: boolean) => {
        const taken = [...new Set(wanted)].filter((index) => (left[index] ?? 0) > 0)
        for (const index of taken) left[index] = (left[index] ?? 0) - 1
        const line = isLine ? lineOf(user, submitted.length) : undefined
        if (line !== undefined) submitted.push(line)
        const parts = taken.flatMap((index) => messages[index] ?? [])
        writer.submit({
          ...proposal(user, parts),
          line: () => line,
          committed: (at) => void told.push([line ?? "none", at])
        })
      }
      const answer = Effect.suspend(() => {
        if (chain.held === 0) return Effect.void
        sequence += 3
        return chain.answer(Effect.succeed(sequence))
      })
      for (const one of steps) {
        if (one === "answer") yield* answer
        else submit(`u${one.user}`, one.parts, one.isLine)
        yield* settle
        while (finished.length < chain.appended.length) finished.push(left.slice())
      }
      while (left.some((parts) => parts > 0)) submit("u0", [left.findIndex((parts) => parts > 0)], false)
      yield* settle
      while (chain.held > 0) yield* answer
      return { chain, epoch, submitted, finished, told }
    }).pipe(Effect.scoped)

  it.effect("commits hold each revision once and in order, and no position beyond finished input", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 20, maxLength: 20 }),
          fc.array(step, { maxLength: 40 }),
          (partsOf, steps) =>
            Effect.runPromise(
              Effect.map(run(partsOf, steps), ({ chain, epoch, submitted, finished, told }) => {
                const { commits } = chain
                expect(chain.appended.flatMap(({ text }) => revisionLinesOf(text))).toEqual(submitted)
                expect(commits.map(({ after }) => after)).toEqual(commits.map((_, index) => takeover + 3 * index))
                expect(told.filter(([line]) => line !== "none").map(([line]) => line)).toEqual(submitted)
                expect(told.map(([, at]) => at)).toEqual(told.map(([, at]) => at).toSorted((a, b) => a - b))
                expect(epoch.told.flatMap(({ messages }) => messages)).toEqual(partsOf.map((_, index) => index + 1))
                for (const [index, { position }] of commits.entries()) {
                  const open = finished[index]?.findIndex((parts) => parts > 0) ?? -1
                  if (open >= 0) expect(position).toBeLessThanOrEqual(open)
                }
                expect(commits.at(-1)?.position).toBe(partsOf.length)
              })
            )
        ),
        { numRuns: 60 }
      )
    )
  )
})

describe("the question whether an epoch still owns its partition", () => {
  it.effect("the acknowledgement of a commit that was published after the question proves the ownership", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit(proposal("ann", [epoch.receive()]))
      yield* settle
      writer.submit(proposal("bob", [epoch.receive()]))
      const asked = yield* Effect.forkChild(writer.stillOwner, { startImmediately: true })
      // The commit with sequence 20 was published before the question, and proves nothing.
      yield* chain.answer(Effect.succeed(20))
      expect(asked.pollUnsafe()).toBeUndefined()
      yield* chain.answer(Effect.succeed(21))
      expect(yield* Fiber.join(asked)).toBe(true)
      expect(chain.asked).toBe(0)
    })
  )

  it.effect("after a refused commit, the answer is that the epoch no longer owns its partition", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit(proposal("ann", [epoch.receive()]))
      const asked = yield* Effect.forkChild(writer.stillOwner, { startImmediately: true })
      yield* settle
      yield* chain.answer(Effect.fail(new CommitConflict({ reason: "wrong last sequence" })))
      expect(yield* Fiber.join(asked)).toBe(false)
      expect(yield* writer.stillOwner).toBe(false)
    })
  )

  it.effect("the writer asks the leader for the owner of the partition if there is nothing to commit", () =>
    Effect.gen(function* () {
      const { chain, writer } = yield* setUp
      expect(yield* writer.stillOwner).toBe(true)
      chain.later = [commitOf(30, 31)]
      expect(yield* writer.stillOwner).toBe(false)
      expect(chain.asked).toBe(2)
    })
  )

  it.effect("an epoch that is over, or whose scope closes, no longer owns its partition", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { chain, epoch, writer } = yield* Scope.provide(setUp, scope)
      writer.submit(proposal("ann", [epoch.receive()]))
      yield* settle
      writer.submit(proposal("bob", [epoch.receive()]))
      const asked = yield* Effect.forkChild(writer.stillOwner, { startImmediately: true })
      yield* settle
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(asked)).toBe(false)
      epoch.failed("closed")
      expect(yield* writer.stillOwner).toBe(false)
      expect({ appends: chain.appended.length, asked: chain.asked }).toEqual({ appends: 1, asked: 0 })
    })
  )

  it.effect("the owner check skips the epoch's own commit in flight, and looks for a later commit", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      writer.submit(proposal("ann", [epoch.receive()]))
      yield* settle
      chain.later = [commitOf(takeover, 20)]
      expect(yield* writer.stillOwner).toBe(true)
      chain.later = [commitOf(takeover, 20), commitOf(21, 22)]
      expect(yield* writer.stillOwner).toBe(false)
    })
  )
})

describe("a line of a commit that cannot be written", () => {
  it.effect("a line that cannot be written ends the epoch, and nothing is stored", () =>
    Effect.gen(function* () {
      const { chain, epoch, writer } = yield* setUp
      const line = () => {
        throw new Error("no line")
      }
      writer.submit({ ...proposal("ann", [epoch.receive()]), line })
      yield* settle
      expect(epoch.failures).toEqual(["a commit died: Error: no line"])
      expect(chain.appended).toEqual([])
    })
  )
})
