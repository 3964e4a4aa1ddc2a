import { Schema, SchemaGetter } from "effect"
import { productTextLengthMax } from "../../account/Identifier.ts"
import { decimalFromCents } from "../../account/Money.ts"
import { windowUnits } from "../../account/SpendingWindow.ts"
import type { RawJson } from "../../protocol/ExactJson.ts"
import { comparisons, isInCents, measures, type Rule, ruleInWords, timeZoneLengthMax } from "../../rules/Rule.ts"
import { rulesOfUserMax, type StoredRule } from "../../rules/RuleSet.ts"
import { lengthAsText, type RuleWindow } from "../../rules/RuleWindow.ts"
import { Count, Instant, instant } from "./AnswerBodies.ts"
import { productTextField, ruleIdField } from "./Field.ts"

/** Describes a threshold, for the OpenAPI document only. `JSON.stringify` writes thresholds as it writes amounts. */
const Threshold = Schema.Finite.check(Schema.isGreaterThan(0))
  .annotate({
    identifier: "Threshold",
    description:
      "US dollars as an exact decimal with two places. For the measures `quantity` and `count`, a threshold is a whole number. Read a threshold as text or as a decimal, never as a binary float."
  })
  .pipe(
    Schema.decodeTo(
      Schema.declare((value: unknown): value is RawJson => typeof value === "object" && value !== null),
      {
        decode: SchemaGetter.forbidden(() => "Thresholds are not read from answers."),
        encode: SchemaGetter.forbidden(() => "JSON.stringify writes thresholds.")
      }
    )
  )

const CalendarWindow = Schema.Struct({
  by: Schema.Literals(windowUnits),
  timeZone: Schema.String.check(Schema.isMaxLength(timeZoneLengthMax))
}).annotate({
  description: "The hour, day or month, in a time zone like Europe/Berlin, for which a rule adds up `spent` or `count`."
})

const Within = Schema.Union([Schema.String, CalendarWindow]).annotate({
  description:
    "The window of `spent` and `count`: a length from `PT1M` to `P31D`, or a calendar window. Without `within`, the measure adds up all purchases of the user."
})
const Product = productTextField("product").documented as typeof Schema.String
const Note = Schema.String.check(Schema.isMaxLength(productTextLengthMax))
const Who = Schema.Literals(["self", "all"]).annotate({
  description: "The users whose purchases the rule is about. `self` is the owner of the rule, and `all` is every user."
})
const Measure = Schema.Literals(measures).annotate({
  description:
    "`value`, `quantity` and `total` measure one purchase. The running measures `spent` and `count` add up the buyer's purchases."
})
const Comparison = Schema.Literals(comparisons).annotate({
  description:
    "`crosses` is only for `spent` and `count`. `crosses` is met if the measure was below the threshold before the purchase, and is not below the threshold after the purchase."
})

const thing = {
  product: Schema.optionalKey(Product),
  productType: Schema.optionalKey(Product)
}

/**
 * Describes the body of `PUT /users/{id}/rules/{ruleId}` in the OpenAPI document. The function `decodeRule` reads the
 * body of this request.
 */
export const RuleRequest = Schema.Struct({
  who: Schema.optionalKey(Who),
  ...thing,
  measure: Measure,
  within: Schema.optionalKey(Within),
  is: Schema.optionalKey(Comparison),
  threshold: Schema.toEncoded(Threshold),
  from: Schema.optionalKey(Instant),
  until: Schema.optionalKey(Instant),
  enabled: Schema.optionalKey(Schema.Boolean),
  note: Schema.optionalKey(Note)
}).annotate({
  identifier: "RuleRequest",
  description:
    "A rule has a `product` or a `productType`, or neither. The default of `who` is `self`, and the default of `enabled` is `true`. For `spent` and `count`, the default of `is` is `crosses`. For other measures, `is` is required."
})

/** A rule in answers. A caller may send a rule from an answer back without a change. */
export const RuleContent = Schema.Struct({
  who: Who,
  ...thing,
  measure: Measure,
  within: Schema.optionalKey(Within),
  is: Comparison,
  threshold: Threshold,
  from: Schema.optionalKey(Instant),
  until: Schema.optionalKey(Instant),
  enabled: Schema.Boolean,
  note: Schema.optionalKey(Note)
}).annotate({ identifier: "RuleContent" })

const listedMembers = {
  ruleId: ruleIdField.documented as typeof Schema.String,
  version: Count.annotateKey({
    description:
      "The version of the rule, a number that grows with each change of the user's rules. The ETag has the version."
  }),
  number: Count.annotateKey({
    description:
      "The number of the rule, which is the sequence of the change that created the rule. No other rule has this number. The ids of the rule's alerts end with this number."
  }),
  inWords: Schema.String.annotateKey({ description: "The rule as a sentence." }),
  rule: RuleContent
}

export const ListedRule = Schema.Struct(listedMembers).annotate({ identifier: "ListedRule" })

const ledgerSequence =
  "The sequence of the user's rules in the journal. Purchases of commits with a higher sequence are judged by these rules."

export const StoredRuleBody = Schema.Struct({
  userId: Schema.String,
  ...listedMembers,
  ledgerSequence: Schema.optionalKey(
    Count.annotate({ description: `${ledgerSequence} Only the answer to a PUT has \`ledgerSequence\`.` })
  )
}).annotate({ identifier: "StoredRule" })

export const RuleList = Schema.Struct({
  userId: Schema.String,
  ledgerSequence: Count.annotateKey({
    description: `${ledgerSequence} Before the user's first rule, \`ledgerSequence\` is 0.`
  }),
  rules: Schema.Array(ListedRule).check(Schema.isMaxLength(rulesOfUserMax))
}).annotate({ identifier: "RuleList" })

const windowBody = (within: RuleWindow): { readonly within?: typeof Within.Type } => {
  if (within.kind === "ever") return {}
  return within.kind === "length"
    ? { within: lengthAsText(within.milliseconds) }
    : { within: { by: within.by, timeZone: within.timeZone } }
}

/** Writes a rule as a body. As JSON the body is the text of `encodeRule`. */
export const ruleBody = (rule: Rule): typeof RuleContent.Type => {
  const { who, scope, measure, within, is, threshold, from, until, enabled, note } = rule
  return {
    who,
    ...(scope.kind === "product" ? { product: scope.name } : {}),
    ...(scope.kind === "productType" ? { productType: scope.name } : {}),
    measure,
    ...windowBody(within),
    is,
    threshold: JSON.rawJSON(isInCents(measure) ? decimalFromCents(threshold) : String(threshold)),
    ...(from === undefined ? {} : { from: instant(from) }),
    ...(until === undefined ? {} : { until: instant(until) }),
    enabled,
    ...(note === "" ? {} : { note })
  }
}

export const listedRuleBody = ({ ruleId, version, number, rule }: StoredRule): typeof ListedRule.Type => ({
  ruleId,
  version,
  number,
  inWords: ruleInWords(rule),
  rule: ruleBody(rule)
})

export const storedRuleBody = (userId: string, stored: StoredRule) => ({ userId, ...listedRuleBody(stored) })
