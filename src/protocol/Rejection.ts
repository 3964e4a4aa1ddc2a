import { Schema } from "effect"
import type { Unreadable } from "./PurchaseMessage.ts"

/** Why something of the input log was not applied, with what came: one value of `rejected.<input sequence>.<index>`. */
export interface Rejection extends Unreadable {
  readonly inputSequence: number
}

const version = 1
const RejectionRecord = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(version),
    reason: Schema.String,
    payload: Schema.String,
    encoding: Schema.Literals(["text", "base64"]),
    inputSequence: Schema.Int,
    index: Schema.Int
  })
)

export const encodeRejection = (rejection: Rejection): string => JSON.stringify({ version, ...rejection })

/** Reads a record; throws a SchemaError where the text is none. */
export const decodeRejection: (text: string) => Rejection = Schema.decodeUnknownSync(RejectionRecord)
