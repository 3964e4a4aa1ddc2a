import { decodeRule, type Rule, RuleProblem } from "../../rules/Rule.ts"

const ruleFrom = (text: object): Rule => {
  const rule = decodeRule(JSON.stringify(text))
  if (rule instanceof RuleProblem) throw new Error(rule.message)
  return rule
}

const hour = { by: "hour", timeZone: "UTC" }

/** Rules that fit the purchases of a simulation, which cost 1.00 to 1.30 a piece. */
const forSimulation = [
  { who: "all", measure: "value", is: "greater-or-equal", threshold: 1 },
  { who: "all", measure: "value", is: "less-or-equal", threshold: 1.15 },
  { who: "all", measure: "count", within: "PT1M", is: "greater-or-equal", threshold: 2 },
  { who: "all", measure: "count", within: "PT1M", is: "crosses", threshold: 2 },
  { who: "all", product: "Mouse", measure: "spent", within: "PT1M", is: "crosses", threshold: 2 },
  { who: "all", productType: "Electronics", measure: "spent", within: hour, threshold: 4 },
  { who: "all", product: "Laptop", measure: "count", is: "crosses", threshold: 2 },
  { who: "self", measure: "count", is: "greater-or-equal", threshold: 3 },
  { who: "self", measure: "quantity", is: "equal", threshold: 1 },
  { who: "self", measure: "total", is: "greater-or-equal", threshold: 1.1 }
]

/** Rules that fit the purchases of a fault run, which cost 1.00 to 501.00 a piece. Few purchases meet each rule. */
const forFaults = [
  { who: "all", measure: "value", is: "less-or-equal", threshold: 40 },
  { who: "all", measure: "total", is: "equal", threshold: 20.2 },
  { who: "all", measure: "count", within: "PT1M", is: "crosses", threshold: 8 },
  { who: "all", product: "Lamp", measure: "spent", within: "PT1M", is: "crosses", threshold: 150 },
  { who: "all", productType: "Furniture", measure: "count", within: hour, is: "equal", threshold: 7 },
  { who: "all", measure: "spent", is: "crosses", threshold: 500 },
  { who: "self", measure: "quantity", is: "equal", threshold: 2 },
  { who: "self", measure: "value", is: "greater-or-equal", threshold: 1 },
  { who: "self", measure: "count", is: "greater-or-equal", threshold: 3 }
]

/** The rules that simulations and fault runs choose from. */
export const rulesFor = { simulation: forSimulation.map(ruleFrom), faults: forFaults.map(ruleFrom) } as const
