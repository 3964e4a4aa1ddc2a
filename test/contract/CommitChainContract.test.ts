import { Effect, Exit } from "effect"
import { expect, it } from "vitest"
import type { JournalRecord } from "../../src/nats/CommitChain.ts"
import { onBoth, usual } from "./OnBoth.ts"

onBoth("the chain of a partition", usual, ({ chain }) => {
  const conflict = { _tag: "CommitConflict" }

  const append = async (partition: number, commit: string, after: number): Promise<number> => {
    const stored = await chain((real) => real.append(partition, commit, after))
    if (typeof stored !== "number") throw new Error(`not stored: ${JSON.stringify(stored)}`)
    return stored
  }

  /** Appends commits to a partition that has no commits. Returns the sequences of the commits. */
  const appendAll = async (partition: number, commits: ReadonlyArray<string>): Promise<ReadonlyArray<number>> => {
    const sequences: Array<number> = []
    for (const commit of commits) sequences.push(await append(partition, commit, sequences.at(-1) ?? 0))
    return sequences
  }

  it("the first commit of a chain expects the sequence 0, and a chain returns its newest commit", async () => {
    expect(await chain(({ newest }) => newest(0))).toBeUndefined()
    const first = await append(0, "first\n", 0)
    expect(await chain(({ newest }) => newest(0))).toMatchObject({ sequence: first, text: "first\n" })
    const second = await append(0, "second\n", first)
    expect(second).toBeGreaterThan(first)
    expect(await chain(({ newest }) => newest(0))).toMatchObject({ sequence: second, text: "second\n" })
  })

  it("a chain refuses a commit that expects another newest commit, and does not store the commit", async () => {
    const sequences = await appendAll(1, ["one", "two"])
    const newest = sequences.at(-1) ?? 0
    for (const after of [0, newest - 1, newest + 1, newest + 1_000]) {
      expect(await chain((real) => real.append(1, "wrong", after))).toMatchObject(conflict)
    }
    expect(await chain((real) => real.newest(1))).toMatchObject({ sequence: newest, text: "two" })
    expect(await append(1, "three", newest)).toBe(newest + 1)
  })

  it("a chain accepts exactly one of two commits that are sent at once with the same expectation", async () => {
    const [after = 0] = await appendAll(2, ["before"])
    const exits = await chain((real) =>
      Effect.all(
        ["one", "other"].map((commit) => Effect.exit(real.append(2, commit, after))),
        { concurrency: "unbounded" }
      )
    )
    const failures = exits.flatMap((exit) => (Exit.isFailure(exit) ? [Exit.findErrorOption(exit)] : []))
    expect(failures).toMatchObject([{ value: conflict }])
    expect(await chain(({ next }) => next(2, after + 1))).toBeUndefined()
  })

  it("commits of other partitions and segments take sequences, but do not move the end of a chain", async () => {
    const first = await append(3, "mine", 0)
    const other = await append(4, "another's", 0)
    const segment = Number(await chain(({ seal }) => seal(3, "a segment")))
    expect({ other, segment }).toEqual({ other: first + 1, segment: first + 2 })
    expect(await chain(({ newest }) => newest(3))).toMatchObject({ sequence: first })
    expect(await append(3, "mine too", first)).toBe(first + 3)
  })

  it("a read at a sequence returns the record of the sequence, and undefined for a missing record", async () => {
    const [commit = 0] = await appendAll(5, ["a commit with ümlauts\n"])
    const segment = Number(await chain(({ seal }) => seal(5, "a segment")))
    const wanted = [commit, segment, segment + 1_000, commit, segment]
    const found = await chain(({ at }) => Effect.forEach(wanted, at, { concurrency: "unbounded" }))
    if (!Array.isArray(found)) throw new Error(`not read: ${JSON.stringify(found)}`)
    expect(found.map((record) => record && [record.sequence, record.text])).toEqual([
      [commit, "a commit with ümlauts\n"],
      [segment, "a segment"],
      undefined,
      [commit, "a commit with ümlauts\n"],
      [segment, "a segment"]
    ])
  })

  it("each way to read a record returns the same time at which the record was stored", async () => {
    const [sequence = 0] = await appendAll(6, ["timed"])
    const newest = await chain((real) => real.newest(6))
    expect(await chain(({ at }) => at(sequence))).toEqual(newest)
    expect(await chain(({ next }) => next(6, 0))).toEqual(newest)
    expect(await chain(({ page }) => page(6, 1))).toEqual([newest])
  })

  it("a chain can be read from any sequence to its end, commit by commit and page by page", async () => {
    const texts = Array.from({ length: 150 }, (_, index) => `commit ${index}`)
    const sequences: Array<number> = []
    for (const text of texts) {
      sequences.push(await append(7, text, sequences.at(-1) ?? 0))
      if (sequences.length % 50 === 0) await chain(({ seal }) => seal(7, "between"))
    }
    const last = sequences.at(-1) ?? 0
    const read: Array<JournalRecord> = []
    while (read.length <= texts.length) {
      const page = await chain((real) => real.page(7, (read.at(-1)?.sequence ?? 0) + 1))
      if (!Array.isArray(page) || page.length === 0) break
      read.push(...page)
    }
    expect(read.map(({ sequence, text }) => [sequence, text])).toEqual(texts.map((text, at) => [sequences[at], text]))
    expect(await chain(({ next }) => next(7, sequences[9] ?? 0))).toMatchObject({ sequence: sequences[10] })
    expect(await chain(({ next }) => next(7, (sequences[10] ?? 0) - 1))).toMatchObject({ sequence: sequences[10] })
    expect(await chain(({ next }) => next(7, last))).toBeUndefined()
    expect(await chain(({ page }) => page(7, last + 1))).toEqual([])
    expect(await chain(({ page }) => page(7, last))).toMatchObject([{ sequence: last }])
  })
})
