import { Schema } from "effect"

/** One delivery that an owner asks for: a test, or the alert of a dead letter. */
export const SendRequest = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("test"), id: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("again"), id: Schema.Int })
])
export type SendRequest = typeof SendRequest.Type

/** The end of a delivery that an owner asked for. */
export const SendReply = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("attempted"),
    isDelivered: Schema.Boolean,
    status: Schema.optionalKey(Schema.Int),
    reason: Schema.optionalKey(Schema.String),
    answer: Schema.String
  }),
  /** `gone`: the alert is not kept any more. `missing`: the user has no webhook. `busy`: too many requests wait. */
  Schema.Struct({ kind: Schema.Literals(["gone", "missing", "busy"]) })
])
export type SendReply = typeof SendReply.Type

const RequestText = Schema.fromJsonString(SendRequest)
const ReplyText = Schema.fromJsonString(SendReply)

export const encodeSendRequest = Schema.encodeSync(RequestText)
/** Decodes a request. Throws a SchemaError if the text is not a request for a delivery. */
export const decodeSendRequest = Schema.decodeSync(RequestText)
export const encodeSendReply = Schema.encodeSync(ReplyText)
/** Decodes a reply. Throws a SchemaError if the text is not a reply. */
export const decodeSendReply = Schema.decodeSync(ReplyText)
