import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LruEntry, LruList } from "../../src/actor/LruList.ts"

class Member extends LruEntry {
  readonly name: number
  constructor(name: number) {
    super()
    this.name = name
  }
}

const oldestFirst = (order: LruList<Member>): Array<number> => {
  const names: Array<number> = []
  for (let member = order.oldest; member !== undefined; member = member.newer) names.push(member.name)
  return names
}

const newestFirst = (newest: Member | undefined): Array<number> => {
  const names: Array<number> = []
  for (let member = newest; member !== undefined; member = member.older) names.push(member.name)
  return names
}

describe("LruList", () => {
  it("the list has the same order as a set from which each used member is deleted and added again", () => {
    const steps = fc.array(fc.record({ kind: fc.constantFrom("use", "delete"), at: fc.nat({ max: 7 }) }))
    fc.assert(
      fc.property(steps, (all) => {
        const members = Array.from({ length: 8 }, (_, name) => new Member(name))
        const order = new LruList<Member>()
        const model = new Set<number>()
        for (const { kind, at } of all) {
          const member = members[at] as Member
          const had = model.delete(at)
          if (kind === "use") {
            model.add(at)
            order.use(member)
          } else expect(order.delete(member)).toBe(had)
          const expected = [...model]
          expect(oldestFirst(order)).toEqual(expected)
          expect(newestFirst(members[expected.at(-1) ?? -1])).toEqual(expected.toReversed())
          expect(order.size).toBe(expected.length)
          expect(members.filter((one) => order.has(one)).map(({ name }) => name)).toEqual(expected.toSorted())
        }
      })
    )
  })
})
