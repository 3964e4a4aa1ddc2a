import { Schema, SchemaGetter } from "effect"
import type { RawJson } from "../../protocol/ExactJson.ts"

/**
 * Describes an exact number in answers, for the OpenAPI document only. `JSON.stringify` writes the exact numbers of
 * answers, and no code reads exact numbers from answers.
 */
export const exactNumber = (identifier: string, description: string) =>
  Schema.Finite.annotate({ identifier, description }).pipe(
    Schema.decodeTo(
      Schema.declare((value: unknown): value is RawJson => typeof value === "object" && value !== null),
      {
        decode: SchemaGetter.forbidden(() => "Amounts are not read from answers."),
        encode: SchemaGetter.forbidden(() => "JSON.stringify writes amounts.")
      }
    )
  )

/** Describes an amount in answers. */
export const Amount = exactNumber(
  "Amount",
  "US dollars as an exact decimal with two places, of any size. A double holds each cent up to 9999999999999.99. Read larger amounts from the text."
)
