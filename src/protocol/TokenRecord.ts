import { Schema } from "effect"

/** The users whose data a token gives: all users, the users of a list, or the users whose id begins with a prefix. */
export const TokenUsers = Schema.Union([
  Schema.Literal("all"),
  Schema.Struct({ only: Schema.Array(Schema.String) }),
  Schema.Struct({ prefix: Schema.String })
])
export type TokenUsers = typeof TokenUsers.Type

/** The bounds of one caller. For a bound that is missing, the default of the edge counts. */
export const TokenLimits = Schema.Struct({
  /** The points that the caller may spend in a second. */
  pointsPerSecond: Schema.optionalKey(Schema.Int),
  /** The most reads, bodies of lines, feeds and waiting posts at once. */
  reads: Schema.optionalKey(Schema.Int),
  lineBodies: Schema.optionalKey(Schema.Int),
  feeds: Schema.optionalKey(Schema.Int),
  waitingPosts: Schema.optionalKey(Schema.Int)
})
export type TokenLimits = typeof TokenLimits.Type

/**
 * A token as the bucket `tokens` has it. The record has hashes and no secret, so that nobody gets rights from a copy of
 * the bucket.
 */
export const TokenRecord = Schema.Struct({
  v: Schema.Literal(1),
  /** Says for people what the token is for. */
  name: Schema.String,
  /** The names of the scopes. A name of a scope that this version does not know gives no rights. */
  scopes: Schema.Array(Schema.String),
  users: TokenUsers,
  limits: Schema.optionalKey(TokenLimits),
  /**
   * The SHA-256 of each secret in hexadecimal digits. An old secret is valid until `until`, in milliseconds since 1970.
   */
  secrets: Schema.Array(Schema.Struct({ sha256: Schema.String, until: Schema.optionalKey(Schema.Number) })),
  /** The time at which the token expires, in milliseconds since 1970. */
  expiresAt: Schema.optionalKey(Schema.Number),
  revokedAt: Schema.optionalKey(Schema.Number),
  madeAt: Schema.Number,
  /** Who made the token: the user and the machine of the command line. */
  madeBy: Schema.String
})
export type TokenRecord = typeof TokenRecord.Type

const Json = Schema.fromJsonString(TokenRecord)

/** Decodes a record. Throws a SchemaError if the text is not the record of a token. */
export const decodeTokenRecord = Schema.decodeUnknownSync(Json)
/** Encodes a record as text. */
export const encodeTokenRecord = Schema.encodeSync(Json)

/** Returns whether a token gives the data of a user. */
export const includesUser = (users: TokenUsers, userId: string): boolean => {
  if (users === "all") return true
  return "only" in users ? users.only.includes(userId) : userId.startsWith(users.prefix)
}
