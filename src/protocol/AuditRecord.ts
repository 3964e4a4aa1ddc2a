import { Exit, Schema } from "effect"

/**
 * Says that somebody is about to change something. The record is written before the change, so a change without a
 * record does not exist. A record without its change may exist: the change may have been refused or may have failed.
 */
export const AuditRecord = Schema.Struct({
  v: Schema.Literal(1),
  /** The id of the token of the caller, the subject of its JWT, or the person at the command line. */
  by: Schema.String,
  /** The name of the token, for people. */
  name: Schema.String,
  /** The address of the caller; missing for the command line. */
  from: Schema.optionalKey(Schema.String),
  /** The change, like `putRule` or `revokeToken`. */
  what: Schema.String,
  /** The thing that is changed: the path of the request, or the id of a token. */
  of: Schema.String,
  /** When the change was asked for, in milliseconds since 1970, by the clock of the writer. */
  at: Schema.Number
})
export type AuditRecord = typeof AuditRecord.Type

const AuditRecordText = Schema.fromJsonString(AuditRecord)

/** Encodes a record as text. */
export const encodeAuditRecord = Schema.encodeSync(AuditRecordText)

/** Decodes a record. Returns `undefined` if the text is not an audit record. */
export const decodeAuditRecord = (text: string): AuditRecord | undefined => {
  const exit = Schema.decodeUnknownExit(AuditRecordText)(text)
  return Exit.isSuccess(exit) ? exit.value : undefined
}
