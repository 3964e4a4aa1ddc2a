import { describe, expect, it } from "vitest"
import type { CheckedRecord } from "../../../src/harness/alerts/AlertCheck.ts"
import { alertProblems } from "../../../src/harness/alerts/AlertProblems.ts"
import { ruleChangeProblems, type SentChange } from "../../../src/harness/alerts/RuleChangeProblems.ts"
import { groupsOf } from "../../../src/harness/alerts/AlertCheck.ts"
import { encodeAlertPosition } from "../../../src/protocol/AlertPosition.ts"
import { encodeCommit } from "../../../src/protocol/Commit.ts"
import { encodeRevision } from "../../../src/protocol/RevisionCodec.ts"
import { alertPositionSubject, alertSubject, commitSubject, rulesSubject } from "../../../src/protocol/Subject.ts"
import { encodeAlerts } from "../../../src/rules/Alert.ts"
import { decodeRule, type Rule, RuleProblem } from "../../../src/rules/Rule.ts"
import { encodeRuleSet } from "../../../src/rules/RuleSet.ts"
import { alertsOf } from "../../../src/harness/alerts/AlertCheck.ts"

const ruleOf = (text: object): Rule => {
  const rule = decodeRule(JSON.stringify(text))
  if (rule instanceof RuleProblem) throw new Error(rule.message)
  return rule
}
const each = ruleOf({ who: "all", measure: "value", is: "greater-or-equal", threshold: 1 })
const third = ruleOf({ measure: "count", is: "crosses", threshold: 3 })

const rulesRecord = (sequence: number, owner: string, rules: ReadonlyArray<readonly [string, number, Rule]>) => ({
  subject: rulesSubject(owner),
  sequence,
  text: encodeRuleSet({
    changes: rules.length,
    rules: rules.map(([ruleId, number, rule]) => ({ ruleId, number, version: 1, rule }))
  })
})

const commitRecord = (sequence: number, userId: string, count: number, previous: ReadonlyArray<number>) => ({
  subject: commitSubject(0),
  sequence,
  text: encodeCommit({ kind: "commit", epoch: 1, worker: "one", position: sequence }, [
    encodeRevision(userId, {
      total: 100n * BigInt(count),
      count,
      decidedThrough: sequence,
      purchases: [
        {
          purchaseId: `p${count}`,
          productName: "Lamp",
          productType: "Home",
          valueCents: 100n,
          quantity: 1,
          inputSequence: sequence,
          inputIndex: 0,
          storedAt: 1_000 * sequence
        }
      ],
      reversals: 0,
      repeats: new Map(),
      previous,
      unsealed: 1,
      segment: 0
    })
  ])
})

const journal: ReadonlyArray<CheckedRecord> = [
  rulesRecord(1, "bob", [["each", 0, each]]),
  commitRecord(2, "ann", 1, []),
  rulesRecord(3, "ann", [["third", 0, third]]),
  commitRecord(4, "ann", 2, [2]),
  commitRecord(5, "ann", 3, [4, 2])
]

/** The messages with alerts that follow from the journal, in order: three for bob, and the last one for ann. */
const messages = alertsOf(journal).map(({ owner, alerts }) => ({
  subject: alertSubject(owner),
  sequence: 0,
  text: encodeAlerts(alerts)
}))
const position = (through: number, written = 0): CheckedRecord => ({
  subject: alertPositionSubject(0),
  sequence: 0,
  text: encodeAlertPosition({ through, messages: written })
})
const [first, second, last, crossed] = messages as [CheckedRecord, CheckedRecord, CheckedRecord, CheckedRecord]

const kindsOf = (alerts: ReadonlyArray<CheckedRecord>) => [
  ...new Set(alertProblems(journal, alerts, 1).map((problem) => problem.slice(0, problem.indexOf(":"))))
]

const changed = (record: CheckedRecord, change: object): CheckedRecord => ({
  ...record,
  text: encodeAlerts(groupsOf([record]).flatMap(({ alerts }) => alerts.map((alert) => ({ ...alert, ...change }))))
})

describe("The check of alerts", () => {
  it("the check finds no problem in right alerts of one batch, or of batches that end within a commit", () => {
    expect(messages.length).toBe(4)
    expect(kindsOf([...messages, position(5)])).toEqual([])
    expect(kindsOf([first, position(2), second, last, position(4, 1), crossed, position(5)])).toEqual([])
  })

  it.each<readonly [string, ReadonlyArray<CheckedRecord>, ReadonlyArray<string>]>([
    ["a missing alert", [first, last, crossed, position(5)], ["A1 missing"]],
    ["an alert that is stored twice", [first, first, second, last, crossed, position(5)], ["A1 doubled"]],
    [
      "an alert about a purchase that does not exist",
      [changed(first, { sequence: 3 }), ...messages, position(5)],
      ["A2 phantom"]
    ],
    ["a wrong version", [changed(first, { ruleVersion: 9 }), second, last, crossed, position(5)], ["A2 phantom"]],
    ["a wrong user", [changed(first, { userId: "eve" }), second, last, crossed, position(5)], ["A2 phantom"]],
    ["a wrong count", [first, second, last, changed(crossed, { after: 4n }), position(5)], ["A7 miscounted"]],
    ["alerts in another order", [second, first, last, crossed, position(5)], ["A3 out of order"]],
    ["a position that goes back", [...messages, position(5), position(4)], ["A4 gone back"]],
    ["alerts that a position does not cover", [first, second, position(2), last, crossed, position(5)], ["prefix"]]
  ])("the check of alerts finds %s", (_name, alerts, found) => {
    expect(kindsOf(alerts)).toEqual(found)
  })

  const put = (ruleId: string, rule: Rule | undefined, sequence: number): SentChange => ({
    owner: "ann",
    ruleId,
    rule,
    outcome: "ok",
    answeredAt: 10,
    sequence
  })

  it("the check finds a lost change of a rule, and a purchase whose commit is before an earlier change", () => {
    const values = [rulesRecord(1, "ann", [["one", 0, each]]), rulesRecord(2, "ann", [["two", 0, third]])]
    const kept = [
      rulesRecord(1, "ann", [["one", 0, each]]),
      rulesRecord(2, "ann", [
        ["one", 1, each],
        ["two", 0, third]
      ])
    ]
    expect(ruleChangeProblems(kept, [put("one", each, 1), put("two", third, 2)], [])).toEqual([])
    expect(ruleChangeProblems(values, [put("one", each, 1)], [])).toEqual([expect.stringMatching(/^A5/)])
    expect(ruleChangeProblems(values, [put("one", each, 1), put("one", undefined, 2)], [])).toEqual([])
    const early = { userId: "ann", purchaseId: "p1", sentAt: 11, sequence: 1 }
    expect(ruleChangeProblems(kept, [put("two", third, 2)], [early])).toEqual([expect.stringMatching(/^A5/)])
    expect(ruleChangeProblems(kept, [put("two", third, 2)], [{ ...early, sentAt: 9 }])).toEqual([])
  })

  it("a change of unknown outcome may be stored behind a repeat that changed nothing", () => {
    const values = [rulesRecord(3, "ann", [["one", 0, each]]), rulesRecord(7, "ann", [["one", 0, third]])]
    const unknown: SentChange = { ...put("one", third, 0), outcome: "info", sequence: undefined }
    const repeated = [put("one", each, 3), unknown, put("one", each, 3)]
    expect(ruleChangeProblems(values, repeated, [])).toEqual([])
    expect(ruleChangeProblems(values, [put("one", each, 3), put("one", each, 3)], [])).toEqual([
      expect.stringMatching(/^A5/)
    ])
  })
})
