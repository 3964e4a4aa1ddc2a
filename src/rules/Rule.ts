import { inNormalForm, productTextProblem } from "../account/Identifier.ts"
import { integerFrom, type NumberProblem } from "../account/JsonNumber.ts"
import { jsonText } from "../protocol/JsonText.ts"
import { currency, decimalFromCents } from "../account/Money.ts"
import type { Purchase } from "../account/Purchase.ts"
import { isTimeZone, windowUnits } from "../account/SpendingWindow.ts"
import { parseExactJson, repeatedNameOf, WrittenNumber } from "./WrittenNumber.ts"
import {
  ever,
  lengthAsText,
  lengthsOnAll,
  readLength,
  type RuleWindow,
  windowInWords,
  windowLengthMax,
  windowLengthMin
} from "./RuleWindow.ts"

/**
 * The highest value of a measure: a higher sum of cents counts as `measureMax`. All thresholds are lower than
 * {@link measureMax}, so the bound changes no comparison.
 */
export const measureMax = Number.MAX_SAFE_INTEGER
/** The highest threshold in cents, which is lower than {@link measureMax}. */
export const centsMax = BigInt(measureMax - 1)
/** The highest threshold in pieces or purchases. Numbers with more than 15 digits are refused. */
export const numberMax = 999_999_999_999_999n

export const timeZoneLengthMax = 64

export const measures = ["value", "quantity", "total", "spent", "count"] as const
/**
 * The value that a rule compares with its threshold. The measures `spent` and `count` add up the purchases of a user.
 * The measures `value`, `quantity` and `total` are values of one purchase.
 */
export type Measure = (typeof measures)[number]

export const comparisons = ["equal", "greater-or-equal", "less-or-equal", "crosses"] as const
export type Comparison = (typeof comparisons)[number]

/** The purchases that a rule looks at. */
export type Scope =
  | { readonly kind: "everything" }
  | { readonly kind: "product"; readonly name: string }
  | { readonly kind: "productType"; readonly name: string }

export const everything: Scope = { kind: "everything" }

/** Returns whether a purchase is in a scope. */
export const isInScope = (
  scope: Scope,
  { productName, productType }: Pick<Purchase, "productName" | "productType">
): boolean => {
  if (scope.kind === "everything") return true
  return scope.name === (scope.kind === "product" ? productName : productType)
}

/**
 * A rule of a user about purchases. The id and the owner of a rule are not fields of `Rule`: they are stored beside the
 * rule.
 */
export interface Rule {
  /** The users whose purchases the rule is about: `self` for the owner of the rule, `all` for all users. */
  readonly who: "self" | "all"
  readonly scope: Scope
  readonly measure: Measure
  /**
   * The window of the measures `spent` and `count`. Rules with the measure `value`, `quantity` or `total` have the
   * window `ever`.
   */
  readonly within: RuleWindow
  readonly is: Comparison
  /** The threshold in cents; in pieces for the measure `quantity`, and in purchases for the measure `count`. */
  readonly threshold: bigint
  /**
   * The rule looks only at purchases that are stored at or after `from`, and before `until`. Both times are in
   * milliseconds since 1970.
   */
  readonly from: number | undefined
  readonly until: number | undefined
  readonly enabled: boolean
  /** The note of the owner: an empty text, or a text that may be the name of a product, of at most 200 characters. */
  readonly note: string
}

/** The reason why a text is not a rule, as a sentence for people. */
export class RuleProblem {
  /** `malformed` if the text is not JSON of the right shape; `refused` if a field has a value that is not allowed. */
  readonly kind: "malformed" | "refused"
  readonly message: string

  constructor(kind: "malformed" | "refused", message: string) {
    this.kind = kind
    this.message = message
  }
}

export const isRunning = (measure: Measure): boolean => measure === "spent" || measure === "count"
/** Returns whether a measure is an amount of money in cents. The measures `quantity` and `count` are whole numbers. */
export const isInCents = (measure: Measure): boolean => measure !== "quantity" && measure !== "count"

const fieldNames = new Set([
  "who",
  "product",
  "productType",
  "measure",
  "within",
  "is",
  "threshold",
  "from",
  "until",
  "enabled",
  "note"
])

const shown = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof WrittenNumber)

const numberProblems: Record<NumberProblem, string> = {
  form: "is not a number like 12.50",
  places: "has too many decimal places",
  size: "is out of range"
}

// The pattern requires an offset from UTC, because a time without an offset depends on the time zone of the reader.
const momentText =
  /^(?:19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,3})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/

const momentOf = (text: string): number | undefined => {
  if (!momentText.test(text)) return undefined
  try {
    return Temporal.Instant.from(text).epochMilliseconds
  } catch {
    return undefined
  }
}

/**
 * Reads the fields of one rule, and keeps the first problem of a field. A field with a problem gets an allowed value,
 * so that the read of the rule can go on.
 */
class RuleFields {
  problem: RuleProblem | undefined
  private readonly fields: Record<string, unknown>

  constructor(fields: Record<string, unknown>) {
    this.fields = fields
    for (const name in fields) {
      if (!fieldNames.has(name)) this.refuse(`${shown(name)} is not a field of a rule`, "malformed")
    }
  }

  read(): Rule {
    const who = this.word("who", ["self", "all"], "self")
    const measure = this.word("measure", measures, undefined)
    const is = this.comparison(measure)
    const [from, until] = [this.moment("from"), this.moment("until")]
    if (from !== undefined && until !== undefined && from >= until) this.refuse("until must be later than from")
    return {
      who,
      scope: this.scope(),
      measure,
      within: this.within(measure, who),
      is,
      threshold: this.threshold(measure),
      from,
      until,
      enabled: this.enabled(),
      note: this.note()
    }
  }

  private refuse(message: string, kind: RuleProblem["kind"] = "refused"): void {
    this.problem ??= new RuleProblem(kind, `${message}.`)
  }

  private word<Word extends string>(name: string, words: ReadonlyArray<Word>, missing: Word | undefined): Word {
    const value = this.fields[name]
    if (value === undefined && missing !== undefined) return missing
    const word = words.find((one) => one === value)
    if (word !== undefined) return word
    const is = value === undefined ? "is missing" : `is ${shown(value)}`
    this.refuse(`${name} must be one of ${words.join(", ")}, and ${is}`)
    return words[0] as Word
  }

  private comparison(measure: Measure): Comparison {
    const is = this.word("is", comparisons, isRunning(measure) ? "crosses" : undefined)
    if (is === "crosses" && !isRunning(measure)) {
      this.refuse(`is can be crosses for spent and count only, and the measure is ${measure}`)
    }
    return is
  }

  private text(name: string): string | undefined {
    const value = this.fields[name]
    if (value === undefined) return undefined
    if (typeof value === "string") return inNormalForm(value)
    this.refuse(`${name} must be a text, and is ${shown(value)}`)
    return undefined
  }

  private scope(): Scope {
    const product = this.text("product")
    const productType = this.text("productType")
    if (product !== undefined && productType !== undefined) {
      this.refuse("product and productType exclude each other: leave one of them out")
    }
    const name = product ?? productType
    if (name === undefined) return everything
    const kind = product === undefined ? "productType" : "product"
    const wrong = productTextProblem(name)
    if (wrong !== undefined) this.refuse(`${kind} ${wrong}`)
    return { kind, name }
  }

  private within(measure: Measure, who: Rule["who"]): RuleWindow {
    const { within } = this.fields
    if (within === undefined) return ever
    if (!isRunning(measure)) {
      this.refuse(`within is for the measures spent and count, and the measure is ${measure}`)
      return ever
    }
    if (isObject(within)) return this.calendar(within)
    const window = this.length(within)
    const length = lengthAsText(window.milliseconds)
    if (who === "all" && !lengthsOnAll.includes(length)) {
      this.refuse(`within of a rule about all users must be one of ${lengthsOnAll.join(", ")}, and is ${length}`)
    }
    return window
  }

  private length(within: unknown): RuleWindow & { readonly kind: "length" } {
    const milliseconds = typeof within === "string" ? readLength(within) : undefined
    if (milliseconds === undefined || milliseconds < windowLengthMin || milliseconds > windowLengthMax) {
      this.refuse(
        `within must be a length from PT1M to P31D, or {"by": "hour|day|month", "timeZone": …}, and is ${shown(within)}`
      )
    }
    return { kind: "length", milliseconds: milliseconds ?? windowLengthMin }
  }

  private calendar({ by, timeZone, ...others }: Record<string, unknown>): RuleWindow {
    for (const name in others) this.refuse(`${shown(name)} is not a field of within`, "malformed")
    const unit = windowUnits.find((one) => one === by)
    if (unit === undefined)
      this.refuse(`within.by must be one of ${windowUnits.join(", ")}, and is ${shown(by ?? null)}`)
    const isZone = typeof timeZone === "string" && timeZone.length <= timeZoneLengthMax && isTimeZone(timeZone)
    if (!isZone) {
      this.refuse(
        `within.timeZone must be the name of a time zone like Europe/Berlin, and is ${shown(timeZone ?? null)}`
      )
    }
    return { kind: "calendar", by: unit ?? "day", timeZone: isZone ? timeZone : "UTC" }
  }

  private threshold(measure: Measure): bigint {
    const { threshold } = this.fields
    const isNumber = threshold instanceof WrittenNumber
    const whole = !isInCents(measure)
    const max = whole ? numberMax : centsMax
    const units = isNumber ? integerFrom(threshold.text, whole ? 0 : 2) : "form"
    const allowed = whole ? `a whole number from 1 to ${max}` : `from 0.01 to ${decimalFromCents(max)}`
    const is = threshold === undefined ? "is missing" : `is ${shown(threshold)}`
    if (typeof units === "string") {
      const why = isNumber ? `: it ${numberProblems[units]}` : ""
      this.refuse(
        `threshold must be ${whole ? "" : "a number with at most two decimal places, "}${allowed}, and ${is}${why}`
      )
      return 1n
    }
    if (units < 1n || units > max) this.refuse(`threshold must be ${allowed}, and ${is}`)
    return units
  }

  private moment(name: "from" | "until"): number | undefined {
    const value = this.fields[name]
    if (value === undefined) return undefined
    const moment = typeof value === "string" ? momentOf(value) : undefined
    if (moment === undefined) {
      this.refuse(
        `${name} must be a time from 1970 to 2999 with its offset, like 2026-11-24T18:30:00Z, with at most three decimals of a second, and is ${shown(value)}`
      )
    }
    return moment
  }

  private enabled(): boolean {
    const { enabled = true } = this.fields
    if (typeof enabled === "boolean") return enabled
    this.refuse(`enabled must be true or false, and is ${shown(enabled)}`)
    return true
  }

  private note(): string {
    const note = this.text("note") ?? ""
    const wrong = note === "" ? undefined : productTextProblem(note)
    if (wrong !== undefined) this.refuse(`note ${wrong}`)
    return note
  }
}

/** Decodes a rule from a value of {@link parseExactJson}. */
export const ruleFromJson = (value: unknown): Rule | RuleProblem => {
  if (!isObject(value)) return new RuleProblem("malformed", "A rule is one JSON object.")
  const fields = new RuleFields(value)
  const rule = fields.read()
  return fields.problem ?? rule
}

/** Decodes a rule from the JSON text of a caller. Returns a {@link RuleProblem} if the text is not a rule. */
export const decodeRule = (text: string): Rule | RuleProblem => {
  let value: unknown
  try {
    value = parseExactJson(text)
  } catch {
    return new RuleProblem("malformed", "A rule is one JSON object, and this is not JSON.")
  }
  const repeated = repeatedNameOf(text)
  if (repeated !== undefined) return new RuleProblem("malformed", `${shown(repeated)} stands twice in one object.`)
  return ruleFromJson(value)
}

const windowJson = (within: RuleWindow): string => {
  if (within.kind === "ever") return ""
  const value =
    within.kind === "length"
      ? `"${lengthAsText(within.milliseconds)}"`
      : `{"by":"${within.by}","timeZone":"${within.timeZone}"}`
  return `,"within":${value}`
}

const momentJson = (name: string, moment: number | undefined): string =>
  moment === undefined ? "" : `,"${name}":"${new Date(moment).toISOString()}"`

/**
 * Writes a rule as JSON. Equal rules have equal texts. {@link decodeRule} decodes the text of a rule to an equal rule.
 */
export const encodeRule = (rule: Rule): string => {
  const { who, scope, measure, within, is, threshold, from, until, enabled, note } = rule
  const thing = scope.kind === "everything" ? "" : `,"${scope.kind}":${jsonText(scope.name)}`
  const number = isInCents(measure) ? decimalFromCents(threshold) : String(threshold)
  const end = note === "" ? "" : `,"note":${jsonText(note)}`
  return `{"who":"${who}"${thing},"measure":"${measure}"${windowJson(within)},"is":"${is}","threshold":${number}${momentJson("from", from)}${momentJson("until", until)},"enabled":${enabled}${end}}`
}

const bounded = (is: Comparison, amount: string): string => {
  if (is === "equal") return `exactly ${amount}`
  return is === "less-or-equal" ? `${amount} or less` : `${amount} or more`
}

const thingInWords = (scope: Scope): string => {
  if (scope.kind === "everything") return "anything"
  return scope.kind === "product" ? `"${scope.name}"` : `something of the type "${scope.name}"`
}

const purchaseInWords = ({ who, scope, measure, is, threshold }: Rule): string => {
  const buys = who === "self" ? "you buy" : "somebody buys"
  const thing = thingInWords(scope)
  if (measure === "quantity") return `${buys} ${bounded(is, String(threshold))} of ${thing} in one purchase`
  const amount = bounded(is, `${decimalFromCents(threshold)} ${currency}`)
  return measure === "value"
    ? `${buys} ${thing} for ${amount} a piece`
    : `${buys} ${thing} for ${amount} in one purchase`
}

const runningInWords = ({ who, scope, measure, within, is, threshold }: Rule): string => {
  const thing = thingInWords(scope)
  const buyer = who === "self" ? "your" : "one user's"
  const sum = measure === "spent" ? `${buyer} spending on ${thing}` : `${buyer} number of purchases of ${thing}`
  const amount = measure === "spent" ? `${decimalFromCents(threshold)} ${currency}` : String(threshold)
  const reached = is === "crosses" ? `reaches ${amount}` : `is ${bounded(is, amount)} after a purchase`
  return `${sum} ${windowInWords(within)} ${reached}`
}

/** Returns a rule as an English sentence, for example `Alert when you buy "Laptop" for 900.00 USD or less a piece.` */
export const ruleInWords = (rule: Rule): string => {
  const { measure, from, until, enabled } = rule
  const condition = isRunning(measure) ? runningInWords(rule) : purchaseInWords(rule)
  const begin = from === undefined ? "" : `, from ${new Date(from).toISOString()}`
  const end = until === undefined ? "" : `, until ${new Date(until).toISOString()}`
  return `Alert when ${condition}${begin}${end}.${enabled ? "" : " The rule is switched off."}`
}
