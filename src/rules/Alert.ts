import { Schema, SchemaGetter } from "effect"
import { integerFrom } from "../account/JsonNumber.ts"
import { jsonText } from "../protocol/JsonText.ts"
import { decimalFromCents } from "../account/Money.ts"
import type { AppliedPurchase } from "../account/Revision.ts"
import { encodeRule, isInCents, type Rule, ruleFromJson, RuleProblem } from "./Rule.ts"
import { parseExactJson, WrittenNumber } from "./WrittenNumber.ts"

/**
 * The numbers that identify an alert: the place of a purchase in the ledger, and the number of a rule. Every process
 * that computes an alert computes the same `AlertPlace` for the alert.
 */
export interface AlertPlace {
  /** The sequence of the commit in the journal that has the purchase. */
  readonly sequence: number
  /** The number of the revision in the commit, counted from 1. */
  readonly line: number
  /** The index of the purchase in the revision, counted from 0. */
  readonly index: number
  readonly ruleNumber: number
}

/**
 * An alert says that a purchase met a rule. `rule` is the version of the rule that was stored when the purchase was
 * committed.
 */
export interface Alert extends AlertPlace {
  /** The user who owns the rule. */
  readonly owner: string
  readonly ruleId: string
  readonly ruleVersion: number
  readonly rule: Rule
  /** The user who made the purchase. */
  readonly userId: string
  readonly purchase: AppliedPurchase
  /**
   * The rule's running measure before the purchase, in units of the threshold; `undefined` for a measure of one
   * purchase.
   */
  readonly before: bigint | undefined
  /** The rule's measure of the purchase, or the rule's running measure including the purchase. */
  readonly after: bigint
}

const placeText = /^([1-9][0-9]{0,14})\.([1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.([1-9][0-9]{0,14})$/

/** Writes the id of an alert: `<journal sequence>.<line>.<index>.<rule number>`. */
export const encodeAlertId = ({ sequence, line, index, ruleNumber }: AlertPlace): string =>
  `${sequence}.${line}.${index}.${ruleNumber}`

/** Decodes the id of an alert. Returns `undefined` if the text is not the id of an alert. */
export const decodeAlertId = (id: string): AlertPlace | undefined => {
  const match = placeText.exec(id)
  if (match === null) return undefined
  const [sequence = 0, line = 0, index = 0, ruleNumber = 0] = match.slice(1).map(Number)
  return { sequence, line, index, ruleNumber }
}

const version = 1

/** Writes an alert as JSON, with amounts as exact decimals. Equal alerts have equal texts. */
export const encodeAlert = (alert: Alert): string => {
  const { owner, ruleId, ruleVersion, rule, userId, purchase, before, after } = alert
  const amount = (units: bigint) => (isInCents(rule.measure) ? decimalFromCents(units) : String(units))
  const { purchaseId, productName, productType, valueCents, quantity, inputSequence, inputIndex, storedAt } = purchase
  const ruleJson = `{"ruleId":${jsonText(ruleId)},"number":${alert.ruleNumber},"version":${ruleVersion},"asJudged":${encodeRule(rule)}}`
  const content = `"purchaseId":${jsonText(purchaseId)},"productName":${jsonText(productName)},"productType":${jsonText(productType)}`
  const amounts = `"value":${decimalFromCents(valueCents)},"quantity":${quantity}`
  const origin = `"inputSequence":${inputSequence},"inputIndex":${inputIndex},"storedAt":"${new Date(storedAt).toISOString()}"`
  const measured = `{${before === undefined ? "" : `"before":${amount(before)},`}"after":${amount(after)}}`
  return `{"v":${version},"id":"${encodeAlertId(alert)}","owner":${jsonText(owner)},"rule":${ruleJson},"userId":${jsonText(userId)},"purchase":{${content},${amounts},${origin}},"measured":${measured}}`
}

const written = Schema.instanceOf(WrittenNumber)
const Whole = written.pipe(
  Schema.decodeTo(Schema.Int, {
    decode: SchemaGetter.transform(({ text }) => Number(text)),
    encode: SchemaGetter.transform((value) => new WrittenNumber(String(value)))
  })
)
const Moment = Schema.String.pipe(
  Schema.decodeTo(Schema.Int, {
    decode: SchemaGetter.transform((text) => Date.parse(text)),
    encode: SchemaGetter.transform((moment) => new Date(moment).toISOString())
  })
)

const AlertRecord = Schema.Struct({
  v: Whole.check(Schema.makeFilter((value: number) => value === version)),
  id: Schema.String,
  owner: Schema.String,
  rule: Schema.Struct({ ruleId: Schema.String, number: Whole, version: Whole, asJudged: Schema.Unknown }),
  userId: Schema.String,
  purchase: Schema.Struct({
    purchaseId: Schema.String,
    productName: Schema.String,
    productType: Schema.String,
    value: written,
    quantity: Whole,
    inputSequence: Whole,
    inputIndex: Whole,
    storedAt: Moment
  }),
  measured: Schema.Struct({ before: Schema.optionalKey(written), after: written })
})

const recordFrom = Schema.decodeUnknownSync(AlertRecord)

/** The error for a stored text that is JSON and not an alert. */
export class MalformedAlert extends Error {}

const unitsFrom = ({ text }: WrittenNumber, places: 0 | 2): bigint => {
  const units = integerFrom(text, places)
  if (typeof units === "string") throw new MalformedAlert(`${text} is not an amount.`)
  return units
}

const alertFrom = (value: unknown): Alert => {
  const { id, owner, rule: judged, userId, purchase, measured } = recordFrom(value)
  const place = decodeAlertId(id)
  const rule = ruleFromJson(judged.asJudged)
  if (place === undefined) throw new MalformedAlert(`${id} is not the id of an alert.`)
  if (rule instanceof RuleProblem) throw new MalformedAlert(rule.message)
  const places = isInCents(rule.measure) ? 2 : 0
  const { value: price, ...content } = purchase
  return {
    ...place,
    owner,
    ruleId: judged.ruleId,
    ruleVersion: judged.version,
    rule,
    userId,
    purchase: { ...content, valueCents: unitsFrom(price, 2) },
    before: measured.before === undefined ? undefined : unitsFrom(measured.before, places),
    after: unitsFrom(measured.after, places)
  }
}

/** Decodes an alert. Throws a SyntaxError, a SchemaError or {@link MalformedAlert} if the text is not an alert. */
export const decodeAlert = (text: string): Alert => alertFrom(parseExactJson(text))

/**
 * Writes a message of the key `alert.<owner>`: the alerts that one purchase gave the owner of rules, as a JSON array.
 * The alerts are in the order of the numbers of their rules. Messages with equal alerts have equal texts, whichever
 * process writes them.
 */
export const encodeAlerts = (alerts: ReadonlyArray<Alert>): string => `[${alerts.map(encodeAlert).join(",")}]`

/**
 * Decodes a message of the key `alert.<owner>`. Throws the same errors as {@link decodeAlert} if the text is not an
 * array of alerts.
 */
export const decodeAlerts = (text: string): Array<Alert> => {
  const values = parseExactJson(text)
  if (!Array.isArray(values)) throw new MalformedAlert("The message is not an array of alerts.")
  return values.map(alertFrom)
}
