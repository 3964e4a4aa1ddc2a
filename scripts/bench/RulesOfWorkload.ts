import { decodeAlertPosition } from "../../src/protocol/AlertPosition.ts"
import {
  alertPositionSubject,
  alertsStream,
  encodeToken,
  journalStream,
  rulesSubject
} from "../../src/protocol/Subject.ts"
import { encodeRuleSet, type StoredRule } from "../../src/rules/RuleSet.ts"
import { everything, type Rule } from "../../src/rules/Rule.ts"
import { ever } from "../../src/rules/RuleWindow.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { withClient } from "./BrokerClient.ts"
import { originalsOf, userAt, type Workload } from "./Workload.ts"

/** The number of rules that are in force during the measurement. */
export const rulesInForce = 100_000
/**
 * The value in cents that one of a hundred purchases reaches. The values of purchases are spread evenly from 1.00 to
 * 999.99.
 */
const alertFrom = 99_001n
/** The most writes of rules that wait for the broker's answer at once. */
const writesAtOnce = 200
const caughtUpMilliseconds = 120_000

/**
 * Returns a rule of a user that the user's own purchases of at least this value meet. `threshold` is the value in
 * cents.
 */
const ruleFrom = (threshold: bigint): Rule => ({
  who: "self",
  scope: everything,
  measure: "value",
  within: ever,
  is: "greater-or-equal",
  threshold,
  from: undefined,
  until: undefined,
  enabled: true,
  note: ""
})

/**
 * Returns the rules of one user. One of a hundred purchases meets the first rule, and no purchase meets another rule.
 */
const rulesOf = (rules: number): string =>
  encodeRuleSet({
    changes: rules,
    rules: Array.from({ length: rules }, (_, index): StoredRule => ({
      ruleId: `rule-${index}`,
      number: 0,
      version: index + 1,
      rule: ruleFrom(index === 0 ? alertFrom : 100_000n + BigInt(index))
    }))
  })

/** Returns how many purchases of a workload meet a rule. */
export const alertsOf = (workload: Workload): number => {
  let alerts = 0
  for (const { valueCents } of originalsOf(workload)) if (valueCents >= alertFrom) alerts += 1
  return alerts
}

/**
 * Stores a number of rules, equally many for each user. Writes the rules to the journal directly, because an edge would
 * need one request for each rule.
 */
export const storeRules = (brokerUrl: string, users: number, rules = rulesInForce): Promise<void> =>
  withClient(brokerUrl, async (client) => {
    const jetStream = client.jetstream()
    const text = rulesOf(Math.max(1, rules / users))
    let waiting: Array<Promise<unknown>> = []
    for (let user = 0; user < Math.min(users, rules); user += 1) {
      waiting.push(jetStream.publish(rulesSubject(encodeToken(userAt(user))), text))
      if (waiting.length < writesAtOnce) continue
      await Promise.all(waiting)
      waiting = []
    }
    await Promise.all(waiting)
  })

/** Waits until the judge has judged the whole journal, and returns the number of messages with alerts. */
export const untilJudged = (brokerUrl: string): Promise<number> =>
  withClient(brokerUrl, async (client) => {
    const manager = await client.jetstreamManager()
    const last = (await manager.streams.info(journalStream)).state.last_seq
    const isJudged = async () => {
      try {
        const stored = await manager.streams.getMessage(alertsStream, { last_by_subj: alertPositionSubject(0) })
        return decodeAlertPosition(stored.string()).through >= last
      } catch {
        return false
      }
    }
    await until("the judge has judged the whole journal", isJudged, caughtUpMilliseconds)
    const { state } = await manager.streams.info(alertsStream, { subjects_filter: "$KV.alerts.alert.*" })
    return Object.values(state.subjects ?? {}).reduce((sum, messages) => sum + messages, 0)
  })
