import { Schema } from "effect"

const version = 1

const RemovedRecord = Schema.fromJsonString(Schema.Struct({ v: Schema.Literal(version), through: Schema.Int }))
const recordFrom = Schema.decodeUnknownSync(RemovedRecord)

/**
 * Writes the value of the key `removed`. `through` is the sequence of the newest alert that is removed because of its
 * age. All older alerts are removed too.
 */
export const encodeRemovedAlerts = (through: number): string => JSON.stringify({ v: version, through })

/** Decodes the value of the key `removed` to a sequence. Throws a SchemaError if the text is not such a value. */
export const decodeRemovedAlerts = (text: string): number => recordFrom(text).through
