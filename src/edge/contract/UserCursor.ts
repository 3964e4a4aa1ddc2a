import { createHash } from "node:crypto"
import { Schema, SchemaGetter } from "effect"
import { field } from "./Field.ts"

/** A cursor of a list of one user: a place in the list, as two whole numbers, and the mark of the user. */
export const UserCursor = Schema.Struct({
  sequence: Schema.Int.check(Schema.isGreaterThan(0)),
  taken: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  user: Schema.String
})
export type UserCursor = typeof UserCursor.Type

/**
 * Returns a short text that stands for a user in a cursor. A sequence alone does not say whose list a cursor belongs
 * to.
 */
export const userMark = (userId: string): string => createHash("sha256").update(userId).digest("hex").slice(0, 8)

/** Writes a cursor as opaque text. */
export const encodeUserCursor = ({ sequence, taken, user }: UserCursor): string =>
  Buffer.from(`${sequence}.${taken}.${user}`).toString("base64url")

const decodeUserCursor = (text: string): UserCursor => {
  const read = Buffer.from(text.slice(0, 64), "base64url").toString("latin1")
  const [, sequence, taken, user = ""] = /^([0-9]{1,15})\.([0-9]{1,9})\.([0-9a-f]{8})$/.exec(read) ?? []
  return { sequence: Number(sequence), taken: Number(taken), user }
}

const isCursor = Schema.is(UserCursor)
const CursorText = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const cursor = decodeUserCursor(text)
    return isCursor(cursor) && encodeUserCursor(cursor) === text
      ? undefined
      : "was not given out by this service. Begin without a cursor"
  })
)

/** Reads a cursor that a page gave out. */
export const userCursorField = field(
  "cursor",
  "malformed-request",
  CursorText.pipe(
    Schema.decodeTo(UserCursor, {
      decode: SchemaGetter.transform(decodeUserCursor),
      encode: SchemaGetter.transform(encodeUserCursor)
    })
  ),
  CursorText
)
