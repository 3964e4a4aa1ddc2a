import { Effect } from "effect"
import { expect, it } from "vitest"
import { AlertStream } from "../../src/nats/AlertStream.ts"
import { onBoth, usual } from "./OnBoth.ts"

onBoth("the stream of alerts", usual, ({ outcome }) => {
  const conflict = { _tag: "CommitConflict" }
  const at = (shard: number) => outcome(Effect.flatMap(AlertStream, ({ position }) => position(shard)))
  const messages = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ownerToken: `owner${index}`, text: `[${index}]` }))
  const commit = (shard: number, through: number, after: number, count = 0, judge = "one") =>
    outcome(
      Effect.flatMap(AlertStream, (real) =>
        real.commit({ shard, judge, messages: messages(count), position: { through, messages: 0 }, after })
      )
    )

  it("a shard has no position before its first step", async () => {
    expect(await at(7)).toBeUndefined()
  })

  it("a step of a judge is stored whole behind the position that it expects", async () => {
    const first = Number(await commit(0, 10, 0))
    expect(await at(0)).toMatchObject({ position: { through: 10, messages: 0 }, sequence: first })
    expect(await commit(0, 20, first, 3)).toBe(first + 4)
    expect(await at(0)).toMatchObject({ position: { through: 20, messages: 0 }, sequence: first + 4 })
  })

  it("a step that expects another position is refused, and no message of the step is stored", async () => {
    const first = Number(await commit(1, 10, 0, 2))
    for (const wrong of [0, first - 1, first + 1]) {
      expect(await commit(1, 99, wrong)).toMatchObject(conflict)
      expect(await commit(1, 99, wrong, 900)).toMatchObject(conflict)
    }
    expect(await at(1)).toMatchObject({ position: { through: 10 }, sequence: first })
    // The next sequence shows that no message of the refused step was stored.
    expect(await commit(1, 11, first)).toBe(first + 1)
  })

  it("if two judges expect the same position, the step of one judge is refused", async () => {
    const before = Number(await commit(2, 10, 0))
    const step = (judge: string, through: number) => ({
      shard: 2,
      judge,
      messages: messages(5),
      position: { through, messages: 0 },
      after: before
    })
    const both = Effect.flatMap(AlertStream, (real) =>
      Effect.forEach(
        [step("one", 20), step("two", 30)],
        (one) => Effect.catchTag(real.commit(one), "CommitConflict", () => Effect.succeed(0)),
        { concurrency: "unbounded" }
      )
    )
    const sequences = await outcome(both)
    expect(sequences).toEqual(expect.arrayContaining([0, before + 6]))
  })

  it("the steps of one shard do not change the positions of other shards", async () => {
    const three = Number(await commit(3, 10, 0))
    const four = Number(await commit(4, 50, 0, 1))
    expect(await commit(3, 11, three, 1)).toBe(four + 2)
    expect(await at(4)).toMatchObject({ position: { through: 50 }, sequence: four })
  })
})
