import { Schema } from "effect"
import { isReversal } from "../account/Reversal.ts"
import type { Unreadable } from "./PurchaseMessage.ts"

/**
 * A purchase or message of the input log that was not applied, with the reason. A rejected record is stored as the
 * value of the key `rejected.<input sequence>.<index>`.
 */
export interface Rejection extends Unreadable {
  /** The sequence of the input message. */
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

/** Writes a rejected record as JSON. */
export const encodeRejection = (rejection: Rejection): string => JSON.stringify({ version, ...rejection })

/** Decodes a rejected record. Throws a SchemaError if the text is not a rejected record. */
export const decodeRejection: (text: string) => Rejection = Schema.decodeUnknownSync(RejectionRecord)

/** Returns whether a rejected record has the payload of a reversal, and not of a purchase. */
export const isOfReversal = ({ payload, encoding }: Rejection): boolean => {
  try {
    return isReversal(JSON.parse(encoding === "text" ? payload : Buffer.from(payload, "base64").toString("utf8")))
  } catch {
    return false
  }
}
