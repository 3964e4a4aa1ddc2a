import { expect, it } from "vitest"
import { abuse, percentile, unservedIn } from "../../src/harness/abuse/Abuse.ts"
import { attacks } from "../../src/harness/abuse/Attacks.ts"
import { TestTokens } from "../support/TestTokens.ts"

it("an honest caller is served while each attack runs, and every attacker is refused or held back", async () => {
  const createToken = async (url: string, name: string) => {
    const tokens = new TestTokens(url)
    const token = await tokens.create({ name })
    await tokens.stop()
    return token
  }
  const rows = await abuse({ milliseconds: 2_000, createToken })
  expect(rows.map(({ attack }) => attack)).toEqual(["none", ...Object.keys(attacks)])
  for (const row of rows) {
    expect({ attack: row.attack, unserved: unservedIn(row) }).toEqual({ attack: row.attack, unserved: 0 })
    expect(row.posts.statuses, row.attack).toEqual({ 202: 20 })
    expect(row.reads.statuses, row.attack).toEqual({ 200: 20 })
  }
  const refused = rows.filter(({ attacker }) => (attacker["429"] ?? 0) > 0).map(({ attack }) => attack)
  expect(refused).toEqual(expect.arrayContaining(["5 slow bodies of lines", "7 huge generate", "8 many feeds"]))
})

it("the 50th percentile of some times is the least time that half of the times do not exceed", () => {
  expect(percentile([3, 1, 2, 4], 0.5)).toBe(2)
  expect(percentile([3, 1, 2, 4], 0.99)).toBe(4)
  expect(percentile([], 0.5)).toBeNaN()
})
