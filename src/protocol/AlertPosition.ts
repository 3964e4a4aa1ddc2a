import { Schema } from "effect"

const version = 1

/**
 * How far a shard is judged: the value of the key `position.<shard>`.
 *
 * A commit has many lines, each with many purchases, and each purchase may give messages to many owners. `messages`
 * counts the messages of one commit for all its lines, purchases and owners, in the order in which they are written.
 * The one number `messages` thus says where the next batch begins.
 */
export interface AlertPosition {
  /** The journal sequence up to which all commits are judged, and all of their alerts are stored. */
  readonly through: number
  /** The number of messages of the commit at `through + 1` that are stored already; usually 0. */
  readonly messages: number
}

const PositionRecord = Schema.fromJsonString(
  Schema.Struct({ v: Schema.Literal(version), through: Schema.Int, messages: Schema.Int })
)
const recordFrom = Schema.decodeUnknownSync(PositionRecord)

/** Writes the position of a shard. */
export const encodeAlertPosition = ({ through, messages }: AlertPosition): string =>
  JSON.stringify({ v: version, through, messages })

/** Decodes the position of a shard. Throws a SchemaError if the text is not a position. */
export const decodeAlertPosition = (text: string): AlertPosition => {
  const { through, messages } = recordFrom(text)
  return { through, messages }
}
