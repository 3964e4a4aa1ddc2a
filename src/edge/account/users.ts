import { Effect, Schema, SchemaGetter } from "effect"
import { inNormalForm, userIdLengthMax } from "../../account/Identifier.ts"
import { currency } from "../../account/Money.ts"
import { exactAmount } from "../../protocol/ExactJson.ts"
import { usersLimitMax, usersLookedMax, type UsersQuestion } from "../../protocol/Query.ts"
import { Amount } from "../contract/Amount.ts"
import { Count, countsBody, Currency } from "../contract/AnswerBodies.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { field, wholeNumberField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { referenceTo } from "../contract/Reference.ts"
import { optional, route } from "../route/Route.ts"
import { askUsers, readProblems } from "./AccountReads.ts"

const limitDefault = 20
/** The points that a prefix adds to the cost of a page, because a page with a prefix may look at many users. */
const prefixCost = 50
/** The most partitions that are asked for one page. */
const partitionsAskedMax = 16

type UsersCursor = Pick<UsersQuestion, "partition" | "from" | "mark">

const encodeCursor = ({ partition, from, mark }: UsersCursor): string =>
  Buffer.from(`${partition}.${from}.${mark ?? ""}`).toString("base64url")

const decodeCursor = (text: string): UsersCursor => {
  const read = Buffer.from(text.slice(0, 64), "base64url").toString("latin1")
  const [, partition, from, mark = ""] = /^([0-9]{1,5})\.([0-9]{1,16})\.([0-9]{0,10})$/.exec(read) ?? []
  return { partition: Number(partition), from: Number(from), ...(mark === "" ? {} : { mark: Number(mark) }) }
}

const CursorText = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const cursor = decodeCursor(text)
    return Number.isSafeInteger(cursor.from) && encodeCursor(cursor) === text
      ? undefined
      : "was not given out by this service. Begin without a cursor"
  })
)
const cursorField = field(
  "cursor",
  "malformed-request",
  CursorText.pipe(
    Schema.decodeTo(Schema.Struct({ partition: Schema.Int, from: Schema.Int, mark: Schema.optionalKey(Schema.Int) }), {
      decode: SchemaGetter.transform(decodeCursor),
      encode: SchemaGetter.transform(encodeCursor)
    })
  ),
  CursorText
)

const prefixField = field(
  "prefix",
  "malformed-request",
  Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(userIdLengthMax))
)

const oldCursor = problem("malformed-request", "cursor is not of this list any more. Begin without a cursor.")

const ListedUser = Schema.Struct({
  userId: Schema.String,
  total: Amount,
  currency: Currency,
  purchaseCount: Count,
  reversalCount: Count
}).annotate({ identifier: "ListedUser" })

/** Reads users from a cursor on, through at most {@link partitionsAskedMax} partitions. */
const readUsers = Effect.fnUntraced(function* (begin: UsersCursor, limit: number, prefix: string) {
  const users: Array<typeof ListedUser.Type> = []
  let cursor: UsersCursor | undefined = begin
  for (let asked = 0; cursor !== undefined && users.length < limit && asked < partitionsAskedMax; asked += 1) {
    const answer: Effect.Success<ReturnType<typeof askUsers>> = yield* askUsers(
      { ...cursor, limit: limit - users.length, prefix },
      oldCursor
    )
    for (const { userId, total, ...counts } of answer.users) {
      users.push({ userId, total: exactAmount(total), currency, ...countsBody(counts) })
    }
    cursor = answer.next
    // An owner that stopped before the end of its partition has looked at enough users for one page.
    if (answer.next?.mark !== undefined) break
  }
  return { users, next: cursor }
})

const usersRoute = route({
  method: "GET",
  path: "/users",
  name: "listUsers",
  group: "Users",
  summary: "All users with their totals, in pages",
  description: `The list of all users is for operators. The list has the order of an index inside the ledger, and is not sorted by user id. The order stays the same while purchases come. Each user whose purchases were applied before the first page is on one page. A user whose first purchase is applied after the first page was read may be missing. A total includes all applied purchases, and no purchases that are stored and not yet applied. A request with \`prefix\` looks at up to ${usersLookedMax} users in each of up to ${partitionsAskedMax} partitions. A page with \`prefix\` may thus be short or empty and still have \`next\`. To find one user, ask for the user's total.`,
  stores: false,
  scope: "users:list",
  parameters: {},
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, usersLimitMax),
      limitDefault,
      "The most users on the page. A page has more users if several users share the page's last place in the index."
    ),
    prefix: optional(prefixField, undefined, "Only users whose id begins with this text."),
    cursor: optional(
      cursorField,
      undefined,
      "The cursor at which the page begins, from the page before with the same prefix. Without a cursor the answer is the first page."
    )
  },
  answers: {
    200: jsonAnswer(
      "A page.",
      Schema.Struct({
        users: Schema.Array(ListedUser),
        next: Schema.optionalKey(
          Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
        )
      }).annotate({ identifier: "UserPage" }),
      ["link"]
    )
  },
  problems: readProblems,
  cost: ({ limit, prefix }) => 1 + limit + (prefix === undefined ? 0 : prefixCost),
  handle: Effect.fnUntraced(function* ({ limit, prefix, cursor }, edge) {
    const begin = cursor ?? { partition: 0, from: 0 }
    const { users, next } = yield* readUsers(begin, limit, inNormalForm(prefix ?? ""))
    if (next === undefined) return reply(200, { users })
    const rest = new URLSearchParams({ limit: String(limit) })
    if (prefix !== undefined) rest.set("prefix", prefix)
    rest.set("cursor", encodeCursor(next))
    const path = referenceTo(edge, `/users?${rest}`)
    return reply(200, { users, next: path }, { link: `<${path}>; rel="next"` })
  })
})

export const listRoutes = [usersRoute]
