import { Schema, SchemaGetter } from "effect"
import type { RawJson } from "../../protocol/ExactJson.ts"

/** An amount in an answer, for the document. `JSON.stringify` writes the amount, and this service reads none. */
export const Amount = Schema.Finite.annotate({
  identifier: "Amount",
  description:
    "US dollars as an exact decimal with two places, of any size. A double holds each cent up to 9999999999999.99; read larger amounts from the text."
}).pipe(
  Schema.decodeTo(
    Schema.declare((value: unknown): value is RawJson => typeof value === "object" && value !== null),
    {
      decode: SchemaGetter.forbidden(() => "Amounts are not read from answers."),
      encode: SchemaGetter.forbidden(() => "JSON.stringify writes amounts.")
    }
  )
)
