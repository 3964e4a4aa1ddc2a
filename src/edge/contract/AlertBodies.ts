import { Schema } from "effect"
import { decimalFromCents } from "../../account/Money.ts"
import type { RawJson } from "../../protocol/ExactJson.ts"
import { type Alert, encodeAlertId } from "../../rules/Alert.ts"
import { isInCents, type Measure, ruleInWords } from "../../rules/Rule.ts"
import { exactNumber } from "./Amount.ts"
import { Count, Instant, instant, PurchaseContent, purchaseBody } from "./AnswerBodies.ts"
import { RuleContent, ruleBody } from "./RuleBodies.ts"

/** A number whose unit depends on the measure of the rule. */
const Measured = exactNumber(
  "Measured",
  "US dollars as an exact decimal with two places. For the measures `quantity` and `count`, the value is a whole number."
)

/** The values of a rule's measure before and after a purchase. */
const MeasuredValues = Schema.Struct({
  before: Schema.optionalKey(Measured).annotateKey({
    description: "The running measure before the purchase; missing for a measure of one purchase."
  }),
  after: Measured.annotateKey({
    description: "The measure of the purchase, or the running measure including the purchase."
  })
}).annotate({ identifier: "MeasuredValues" })

const AlertedPurchase = Schema.Struct({
  ...PurchaseContent.fields,
  storedAt: Instant,
  ledgerSequence: Count.annotateKey({ description: "The sequence of the commit that applied the purchase." })
}).annotate({ identifier: "AlertedPurchase" })

export const AlertBody = Schema.Struct({
  id: Schema.String.annotateKey({
    description:
      "The id of the alert, `<journal sequence>.<line>.<index>.<rule number>`. Every judge computes the same id."
  }),
  owner: Schema.String.annotateKey({ description: "The user who owns the rule." }),
  ruleId: Schema.String,
  ruleVersion: Count.annotateKey({ description: "The version of the rule that the purchase met." }),
  inWords: Schema.String.annotateKey({ description: "The rule as a sentence." }),
  rule: RuleContent.annotateKey({
    description: "The content that the rule had when the purchase's commit was stored."
  }),
  purchase: AlertedPurchase,
  measured: MeasuredValues,
  alertedAt: Instant.annotateKey({ description: "The time at which the alert was stored." })
}).annotate({ identifier: "Alert", description: "A purchase met a rule." })

const exactMeasure = (measure: Measure, units: bigint): RawJson =>
  JSON.rawJSON(isInCents(measure) ? decimalFromCents(units) : String(units))

/** Writes the values of a rule's measure before and after a purchase. */
const measuredBody = ({ rule: { measure }, before, after }: Pick<Alert, "rule" | "before" | "after">) => ({
  ...(before === undefined ? {} : { before: exactMeasure(measure, before) }),
  after: exactMeasure(measure, after)
})

/** Writes the purchase of an alert. */
const alertedPurchaseBody = ({ userId, purchase, sequence }: Alert): typeof AlertedPurchase.Type => ({
  ...purchaseBody(userId, purchase),
  storedAt: instant(purchase.storedAt),
  ledgerSequence: sequence
})

/** Writes an alert. `alertedAt` is when a judge stored the alert, in milliseconds since 1970. */
export const alertBody = (alert: Alert, alertedAt: number): typeof AlertBody.Type => ({
  id: encodeAlertId(alert),
  owner: alert.owner,
  ruleId: alert.ruleId,
  ruleVersion: alert.ruleVersion,
  inWords: ruleInWords(alert.rule),
  rule: ruleBody(alert.rule),
  purchase: alertedPurchaseBody(alert),
  measured: measuredBody(alert),
  alertedAt: instant(alertedAt)
})

/** Writes an alert of a back-test. */
export const wouldBeAlertBody = (alert: Alert) => ({
  id: encodeAlertId(alert),
  purchase: alertedPurchaseBody(alert),
  measured: measuredBody(alert)
})

/** Writes the alerts that one purchase gave one user, as the data of an event of a feed. */
export const alertsBody = (owner: string, alerts: ReadonlyArray<Alert>, alertedAt: number) => ({
  owner,
  alerts: alerts.map((alert) => alertBody(alert, alertedAt))
})
