import { Exit, Schema, SchemaGetter } from "effect"
import {
  blankAroundProblem,
  inNormalForm,
  ProductText,
  productTextProblem,
  PurchaseId,
  purchaseIdProblem,
  ReasonText,
  reasonTextProblem,
  ReversalId,
  UserId,
  userIdProblem
} from "../../account/Identifier.ts"
import { type Cents, centsFromDecimal, decimalFromCents, quantityMax, valueMax } from "../../account/Money.ts"
import { integerFrom, type NumberProblem } from "../../account/JsonNumber.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import { type Problem, problem } from "./Problem.ts"

/** The kinds of problems of a field. */
export type FieldProblem = "malformed-request" | "refused-by-rules"

/** A text that callers send as a parameter or in a body: how it is read, and how the OpenAPI document describes it. */
export interface Field<A> {
  /** The name of the field in messages. */
  readonly name: string
  /** The kind of problem that a wrong text gets. */
  readonly kind: FieldProblem
  readonly read: (text: string) => A | Problem<FieldProblem>
  readonly documented: Schema.Constraint
  /** Whether the field names a user, whose data the caller's token has to give. */
  readonly isUser?: true
}

/**
 * Makes a field whose text is decoded by a schema. The OpenAPI document shows `documented`, which is by default the
 * type that the schema decodes to.
 */
export const field = <A>(
  name: string,
  kind: FieldProblem,
  schema: Schema.Codec<A, string>,
  documented: Schema.Constraint = Schema.toType(schema)
): Field<A> => {
  const decode = Schema.decodeUnknownExit(schema)
  return {
    name,
    kind,
    documented,
    read: (text) => {
      const exit = decode(text)
      if (Exit.isSuccess(exit)) return exit.value
      return problem(kind, `${name} ${failureOf(exit)?.message ?? "cannot be read"}.`)
    }
  }
}

/**
 * Makes a field whose text is read in normalization form C. The field checks the text with the function `rule`, because
 * a purchase has four texts, and decoding with the schema takes far longer.
 */
const textField = <Text extends string>(
  name: string,
  schema: Schema.Codec<Text, string>,
  rule: (text: string) => string | undefined,
  kind: FieldProblem = "refused-by-rules"
): Field<Text> => ({
  ...field(name, kind, schema),
  read: (text) => {
    const normal = inNormalForm(text)
    const wrong = rule(normal)
    return wrong === undefined ? (normal as Text) : problem(kind, `${name} ${wrong}.`)
  }
})

export const userIdField: Field<UserId> = {
  ...textField(
    "userId",
    UserId.annotate({
      identifier: "UserId",
      description:
        "The id of a user. An id is neither `.` nor `..`, has no control or format characters, and neither begins nor ends with a blank. The Unicode form of a user id does not matter."
    }),
    userIdProblem
  ),
  isUser: true
}

export const purchaseIdField = textField(
  "purchaseId",
  PurchaseId.annotate({
    identifier: "PurchaseId",
    description:
      "The id of a purchase of its user. An id is neither `.` nor `..`, has no control or format characters, and neither begins nor ends with a blank."
  }),
  purchaseIdProblem
)

/**
 * A reversal id has to be like a purchase id. A reversal id and a purchase id may be the same text, because they are
 * ids of different kinds.
 */
export const reversalIdField = textField(
  "reversalId",
  ReversalId.annotate({
    identifier: "ReversalId",
    description:
      "The id of a reversal of its user. An id is neither `.` nor `..`, has no control or format characters, and neither begins nor ends with a blank."
  }),
  purchaseIdProblem
)

/** A rule id has to be like a purchase id, and is one part of the path of a URL. */
export const ruleIdField = textField(
  "ruleId",
  PurchaseId.annotate({
    identifier: "RuleId",
    description:
      "The id of a rule of its user. An id is neither `.` nor `..`, has no control or format characters, and neither begins nor ends with a blank."
  }),
  purchaseIdProblem
)

/**
 * Returns a field for reads, which refuses an id with a blank at its ends as malformed, because no stored id has such a
 * blank.
 */
const askedFor = <Id extends string>(field: Field<Id>): Field<Id> => ({
  ...field,
  read: (text) => {
    const wrong = blankAroundProblem(text)
    return wrong === undefined ? field.read(text) : problem("malformed-request", `${field.name} ${wrong}.`)
  }
})
export const askedUserIdField = askedFor(userIdField)
export const askedPurchaseIdField = askedFor(purchaseIdField)
export const askedReversalIdField = askedFor(reversalIdField)
export const askedRuleIdField = askedFor(ruleIdField)

const productText = ProductText.annotate({
  identifier: "ProductText",
  description:
    "A text with a visible character, and without control and format characters. The joiners U+200C and U+200D are allowed."
})
export const productTextField = (name: string) => textField(name, productText, productTextProblem)
/**
 * Makes a field for reads. No purchase has a text that the field refuses, so a request with such a text is malformed.
 */
export const askedProductTextField = (name: string) =>
  textField(name, productText, productTextProblem, "malformed-request")

/** Reads the reason of a reversal. */
export const reasonField = textField(
  "reason",
  ReasonText.annotate({
    identifier: "Reason",
    description:
      "The reason, for people. The text has a visible character, and has no control and format characters. The joiners U+200C and U+200D are allowed."
  }),
  reasonTextProblem
)

const wholeDigits = (text: string): number | undefined => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined)

const wholeValue = (text: string): number | undefined => {
  const whole = integerFrom(text, 0)
  return typeof whole === "bigint" ? Number(whole) : undefined
}

/**
 * Makes a field for a whole number from `minimum` to `maximum`. The field of a whole number takes digits only, unless
 * `wholeFrom` reads other spellings.
 */
export const wholeNumberField = (
  name: string,
  kind: FieldProblem,
  minimum: number,
  maximum: number,
  wholeFrom = wholeDigits
) => {
  const numberIn = (text: string) => {
    const number = wholeFrom(text)
    return number !== undefined && number >= minimum && number <= maximum ? number : undefined
  }
  const outOfRange = (text: string) =>
    `must be a whole number from ${minimum} to ${maximum}, and is ${text.slice(0, 40)}`
  const read = (text: string) => numberIn(text) ?? problem(kind, `${name} ${outOfRange(text)}.`)
  const schema = Schema.String.check(
    Schema.makeFilter((text: string) => (numberIn(text) === undefined ? outOfRange(text) : undefined))
  ).pipe(
    Schema.decodeTo(Schema.Int.check(Schema.isBetween({ minimum, maximum })), {
      decode: SchemaGetter.transform(Number),
      encode: SchemaGetter.transform(String)
    })
  )
  return { ...field(name, kind, schema), read }
}

/** Reads the number of pieces from the text of a JSON number: 2, 2.0 and 2e0 are one value. */
export const quantityField = wholeNumberField("quantity", "refused-by-rules", 1, quantityMax, wholeValue)

const numberProblems: Record<NumberProblem, string> = {
  form: "is not a number like 12.50",
  places: "has more than two decimal places",
  size: "is out of range"
}

const valueProblem = (text: string, cents = centsFromDecimal(text)): string | undefined => {
  if (typeof cents === "string") return `${text.slice(0, 40)} ${numberProblems[cents]}`
  if (cents <= 0n) return `must be above 0, and is ${text.slice(0, 40)}`
  return cents > valueMax ? `must be at most ${decimalFromCents(valueMax)}, and is ${text.slice(0, 40)}` : undefined
}

/** Reads the price of a piece from the text of a JSON number, as exact cents. */
export const valueField: Field<Cents> = {
  ...field(
    "value",
    "refused-by-rules",
    Schema.String.check(Schema.makeFilter((text: string) => valueProblem(text))).pipe(
      Schema.decodeTo(Schema.BigInt, {
        decode: SchemaGetter.transform((text: string) => BigInt(centsFromDecimal(text))),
        encode: SchemaGetter.transform(decimalFromCents)
      })
    ),
    Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(Number(valueMax) / 100)).annotate({
      identifier: "Value",
      description:
        "The price of one piece, with at most two decimal places. A number is judged by its value: 10.000 and 1E+1 are 10."
    })
  ),
  read: (text) => {
    const cents = centsFromDecimal(text)
    const wrong = valueProblem(text, cents)
    return typeof cents === "bigint" && wrong === undefined
      ? cents
      : problem("refused-by-rules", `value ${wrong ?? "cannot be read"}.`)
  }
}

const momentPattern =
  "^(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
const isMoment = new RegExp(momentPattern)

const momentOf = (text: string): number | undefined => {
  if (!isMoment.test(text)) return undefined
  try {
    return Temporal.Instant.from(text.toUpperCase()).epochMilliseconds
  } catch {
    return undefined
  }
}

const Moment = Schema.String.annotate({ identifier: "Moment" }).check(
  Schema.makeFilter(
    (text: string) =>
      momentOf(text) === undefined
        ? `must be a time from 1970 to 2999 with its offset, like 2026-11-24T18:30:00Z (in a path, + is written %2B), and is ${text.slice(0, 40)}`
        : undefined,
    { toJsonSchema: () => [{ format: "date-time", pattern: momentPattern }, true] }
  )
)

/** Makes a field for a moment, read as milliseconds since 1970. */
export const momentField = (name: string) =>
  field(
    name,
    "malformed-request",
    Moment.pipe(
      Schema.decodeTo(Schema.Int, {
        decode: SchemaGetter.transform((text: string) => momentOf(text) ?? Number.NaN),
        encode: SchemaGetter.transform((at: number) => new Date(at).toISOString())
      })
    ),
    Moment
  )

/** Makes a field whose value is one word of a fixed list. */
export const wordField = <const Words extends ReadonlyArray<string>>(name: string, words: Words) =>
  field<Words[number]>(
    name,
    "malformed-request",
    Schema.Literals(words).annotate({ message: `must be ${words.join(" or ")}` })
  )
