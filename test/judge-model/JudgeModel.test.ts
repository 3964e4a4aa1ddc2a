import { describe, expect, it } from "vitest"
import { type Exploration, explore, type System, type Violation } from "../support/Explorer.ts"
import type { ModelRule } from "./Invariants.ts"
import type { Bounds, Mistake } from "./Judge.ts"
import type { Script } from "./Ledger.ts"
import { judging } from "./Protocol.ts"
import { ruleChanges, type RuleChangeMistake } from "./RuleChanges.ts"

// An explicit-state model of the judges. The model has a ledger with changes of rules and purchases of two users, and
// two judges of the same shard. The model has crashes, lost deliveries, unknown answers, late batches, and purchases
// whose alerts do not fit into one batch. The tests explore every order of all steps, with any number of faults.
// MODEL_BOUND=large explores longer scripts.
const isLarge = process.env["MODEL_BOUND"] === "large"
const statesMax = 40_000_000
const minutes = 60_000

const ofAnn = { rulesOf: "ann", are: ["a"] } as const
const ofAnnChanged = { rulesOf: "ann", are: ["a'"] } as const
const ofBob = { rulesOf: "bob", are: ["b"] } as const
const noneOfAnn = { rulesOf: "ann", are: [] } as const
const withCount = { rulesOf: "bob", are: ["second"] } as const

/** A script with one commit of two users, in which one purchase meets a rule. */
const one: Script = [ofAnn, { bought: ["ann p", "bob q"] }]
/** A script with purchases that meet the rules of two owners. */
const split: Script = [ofAnn, ofBob, { bought: ["ann p", "bob q"] }, { bought: ["ann r"] }]
/** A script in which a rule is added, changed and removed between purchases. */
const changes: Script = [
  { bought: ["ann p"] },
  ofAnn,
  { bought: ["ann q", "bob r"] },
  ofAnnChanged,
  { bought: ["ann s", "bob t"] },
  noneOfAnn,
  { bought: ["ann u"] }
]
/**
 * A script with a rule that only the second purchase of each user meets. The rule about second purchases is made after
 * the first purchase.
 */
const windows: Script = [{ bought: ["ann p"] }, withCount, { bought: ["ann q", "bob r"] }, { bought: ["bob s"] }]
const all: Script = [...split, ofAnnChanged, { bought: ["ann s", "bob t"] }, { rulesOf: "bob", are: ["b", "second"] }]

const print = (name: string, { states, transitions, depth }: Exploration): void =>
  console.log(`judges, ${name}: ${states} states, ${transitions} steps, depth ${depth}`)

const historyOf = (violation: Violation | undefined): string => (violation?.history ?? []).join("\n")

describe("the judges keep every invariant", () => {
  const any = { faults: Infinity, messagesMax: [1, 2] } as const
  const explorations: ReadonlyArray<readonly [string, Script, Bounds]> = [
    ["one commit of two users", one, any],
    ["purchases whose alerts need two batches", split, any],
    ["a rule that comes, changes and goes", changes, { ...any, messagesMax: [2] }],
    ["a rule that counts", windows, any],
    ["two shards", changes.slice(0, 3), { ...any, messagesMax: [1], shards: 2 }]
  ]
  const larger: typeof explorations = [
    ["a rule that comes, changes and goes, in batches of either size", changes, any],
    ["every kind of entry", all, any],
    ["two shards with a rule that counts", windows, { ...any, messagesMax: [1], shards: 2 }]
  ]
  it.each(isLarge ? [...explorations, ...larger] : explorations)(
    "every invariant holds for %s",
    (name, script, bounds) => {
      const exploration = explore(judging(script, bounds), { statesMax })
      print(name, exploration)
      expect(exploration.violation, historyOf(exploration.violation)).toBeUndefined()
    },
    15 * minutes
  )
})

interface Planted extends Partial<Bounds> {
  readonly mistake: Mistake
  readonly script: Script
}

interface Breaking extends Planted {
  readonly breaks: ModelRule
  /** A text that has to be in the name of a step in the history. */
  readonly by?: string
}

const planted = ({ mistake, script, ...bounds }: Planted): System<unknown, unknown> =>
  judging(script, { faults: 0, messagesMax: [1], ...bounds }, mistake) as System<unknown, unknown>

const mistakes: ReadonlyArray<Breaking> = [
  { mistake: "position written before the alerts", script: one, faults: 1, breaks: "A1" },
  { mistake: "position written after the alerts", script: one, faults: 1, breaks: "A1" },
  { mistake: "position written after the alerts", script: one, breaks: "A1", by: "judge 2" },
  { mistake: "position without expectation", script: one, breaks: "A1", by: "judge 2" },
  { mistake: "position without expectation", script: one, breaks: "A4" },
  { mistake: "rules as they are now", script: changes, breaks: "A2" },
  { mistake: "rules as they are now", script: changes, faults: 1, breaks: "A5" },
  { mistake: "rules and commits from two consumers", script: changes, breaks: "A1" },
  { mistake: "rules and commits from two consumers", script: changes, breaks: "A2" },
  { mistake: "gap ignored", script: one, faults: 1, breaks: "A1" },
  { mistake: "gap ignored", script: changes, faults: 1, breaks: "A2" },
  { mistake: "unknown taken for success", script: one, faults: 1, breaks: "A1" },
  { mistake: "windows kept after a refused write", script: windows, breaks: "A7", by: "refused" },
  { mistake: "windows kept after a refused write", script: windows, breaks: "A1", by: "refused" },
  { mistake: "written messages ignored", script: split, breaks: "A1" },
  { mistake: "owners in another order", script: split, faults: 1, breaks: "A1" },
  { mistake: "another hash of users", script: one, shards: 2, breaks: "A1" },
  { mistake: "first position at the end of the ledger", script: split, breaks: "A1" },
  { mistake: "first position at the end of the ledger", script: split, breaks: "A5" }
]

describe("a mistake that is planted into the judges is caught", () => {
  const named = mistakes.map((mistake) => {
    const by = mistake.by === undefined ? "" : `, with "${mistake.by}" in the history`
    return [`"${mistake.mistake}" breaks ${mistake.breaks}${by}`, mistake] as const
  })
  it.each(named)("the model sees that %s", (name, { breaks, by = "", ...rest }) => {
    const { violation } = explore(planted(rest), { statesMax, invariants: [breaks] })
    const history = historyOf(violation)
    console.log(`${name}:\n  ${history.replaceAll("\n", "\n  ")}`)
    expect(violation?.invariant, history).toBe(breaks)
    expect(history).toContain(by)
  })

  it("a batch that is tried again under the same expectation is stored once", () => {
    const again = planted({ mistake: "tried again under the same expectation", script: split, faults: Infinity })
    const exploration = explore(again, { statesMax })
    print("tried again", exploration)
    expect(exploration.violation, historyOf(exploration.violation)).toBeUndefined()
  })
})

describe("changes of the rules of one owner", () => {
  const requests = [
    { does: "put", rule: "a" },
    { does: "put", rule: "b" },
    { does: "delete", rule: "c" }
  ] as const

  it("the stored rules of the owner have each answered change, however many answers are lost", () => {
    const exploration = explore(ruleChanges(["c"], requests), { statesMax })
    print("changes of rules", exploration)
    expect(exploration.violation, historyOf(exploration.violation)).toBeUndefined()
  })

  it.each<RuleChangeMistake>(["change without compare-and-set", "unknown taken for success"])(
    'the model sees that "%s" breaks A5',
    (mistake) => {
      const { violation } = explore(ruleChanges(["c"], requests, mistake), { statesMax })
      console.log(`${mistake}:\n  ${historyOf(violation).replaceAll("\n", "\n  ")}`)
      expect(violation?.invariant).toBe("A5")
    }
  )
})
