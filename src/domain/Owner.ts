import { Schema } from "effect"

const version = 1
const OwnerRecord = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(version), worker: Schema.String }))
const decodeRecord = Schema.decodeUnknownSync(OwnerRecord)

/** The value of `owner.<partition>`: who took it. What counts is the key's revision, the epoch; this is for people. */
export const encodeOwner = (worker: string): string => JSON.stringify({ version, worker })

/** Who took a partition; throws a SchemaError where the text says nobody. */
export const decodeOwner = (text: string): string => decodeRecord(text).worker
