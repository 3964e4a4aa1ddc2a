import { Schema } from "effect"
import { decimalFromCents } from "../../account/Money.ts"
import type { RawJson } from "../../protocol/ExactJson.ts"
import { type Alert, encodeAlertId } from "../../rules/Alert.ts"
import { comparisons, isInCents, measures, type Measure, type Rule, ruleInWords } from "../../rules/Rule.ts"
import { lengthAsText, type RuleWindow } from "../../rules/RuleWindow.ts"
import { windowUnits } from "../../account/SpendingWindow.ts"
import { exactNumber } from "./Amount.ts"
import { Count, Instant, instant, PurchaseContent, purchaseBody } from "./AnswerBodies.ts"

/** A number whose unit a measure decides. */
const Measured = exactNumber(
  "Measured",
  "US dollars as an exact decimal with two places; for the measures `quantity` and `count` a whole number."
)

const Within = Schema.Union([
  Schema.String.annotate({ description: "A length like P7D." }),
  Schema.Struct({ by: Schema.Literals(windowUnits), timeZone: Schema.String })
])

/** The members of a rule as callers see them. */
const ruleMembers = {
  who: Schema.Literals(["self", "all"]),
  product: Schema.optionalKey(Schema.String),
  productType: Schema.optionalKey(Schema.String),
  measure: Schema.Literals(measures),
  within: Schema.optionalKey(Within),
  is: Schema.Literals(comparisons),
  threshold: Measured,
  from: Schema.optionalKey(Instant),
  until: Schema.optionalKey(Instant),
  enabled: Schema.Boolean,
  note: Schema.optionalKey(Schema.String)
}

export const AlertedRule = Schema.Struct({
  ruleId: Schema.String,
  version: Count.annotateKey({ description: "The version of the rule that the purchase met." }),
  ...ruleMembers,
  inWords: Schema.String.annotateKey({ description: "The rule as a sentence." })
}).annotate({ identifier: "AlertedRule", description: "A rule as it stood at the purchase's place in the ledger." })

/** What a rule measured of a purchase. */
export const MeasuredValues = Schema.Struct({
  before: Schema.optionalKey(Measured).annotateKey({
    description: "The running measure before the purchase; missing for a measure of one purchase."
  }),
  after: Measured.annotateKey({ description: "The measure of the purchase, or the running measure including it." })
}).annotate({ identifier: "MeasuredValues" })

export const AlertedPurchase = Schema.Struct({
  ...PurchaseContent.fields,
  storedAt: Instant,
  ledgerSequence: Count.annotateKey({ description: "The sequence of the commit that applied the purchase." })
}).annotate({ identifier: "AlertedPurchase" })

export const AlertBody = Schema.Struct({
  id: Schema.String.annotateKey({
    description: "The same for whoever computes the alert: `<journal sequence>.<line>.<index>.<rule number>`."
  }),
  owner: Schema.String.annotateKey({ description: "The user whose rule it is." }),
  rule: AlertedRule,
  purchase: AlertedPurchase,
  measured: MeasuredValues,
  alertedAt: Instant.annotateKey({ description: "When the alert was stored." })
}).annotate({ identifier: "Alert", description: "A purchase met a rule." })

const exactMeasure = (measure: Measure, units: bigint): RawJson =>
  JSON.rawJSON(isInCents(measure) ? decimalFromCents(units) : String(units))

const withinBody = (within: RuleWindow) => {
  if (within.kind === "ever") return {}
  return {
    within: within.kind === "length" ? lengthAsText(within.milliseconds) : { by: within.by, timeZone: within.timeZone }
  }
}

const ruleContent = (rule: Rule) => {
  const { who, scope, measure, within, is, threshold, from, until, enabled, note } = rule
  return {
    who,
    ...(scope.kind === "everything" ? {} : { [scope.kind]: scope.name }),
    measure,
    ...withinBody(within),
    is,
    threshold: exactMeasure(measure, threshold),
    ...(from === undefined ? {} : { from: instant(from) }),
    ...(until === undefined ? {} : { until: instant(until) }),
    enabled,
    ...(note === "" ? {} : { note })
  }
}

/** Writes what a rule measured of a purchase. */
export const measuredBody = ({ rule: { measure }, before, after }: Pick<Alert, "rule" | "before" | "after">) => ({
  ...(before === undefined ? {} : { before: exactMeasure(measure, before) }),
  after: exactMeasure(measure, after)
})

/** Writes the purchase of an alert. */
export const alertedPurchaseBody = ({ userId, purchase, sequence }: Alert): typeof AlertedPurchase.Type => ({
  ...purchaseBody(userId, purchase),
  storedAt: instant(purchase.storedAt),
  ledgerSequence: sequence
})

/** Writes an alert. `alertedAt` is when a judge stored the alert, in milliseconds since 1970. */
export const alertBody = (alert: Alert, alertedAt: number): typeof AlertBody.Type => ({
  id: encodeAlertId(alert),
  owner: alert.owner,
  rule: {
    ruleId: alert.ruleId,
    version: alert.ruleVersion,
    ...ruleContent(alert.rule),
    inWords: ruleInWords(alert.rule)
  },
  purchase: alertedPurchaseBody(alert),
  measured: measuredBody(alert),
  alertedAt: instant(alertedAt)
})

/** Writes the alerts that one purchase gave one user, as the data of an event of a feed. */
export const alertsBody = (owner: string, alerts: ReadonlyArray<Alert>, alertedAt: number) => ({
  owner,
  alerts: alerts.map((alert) => alertBody(alert, alertedAt))
})
