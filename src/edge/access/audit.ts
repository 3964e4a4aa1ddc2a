import { Effect, Schema } from "effect"
import { AuditLog, type AuditQuery, type StoredAudit } from "../../nats/AuditLog.ts"
import { Count, Instant, instant } from "../contract/AnswerBodies.ts"
import { jsonAnswer, reply } from "../contract/AnswerSpec.ts"
import { field, momentField, wholeNumberField } from "../contract/Field.ts"
import { referenceTo } from "../contract/Reference.ts"
import { optional, route } from "../route/Route.ts"

/** The most audit records on a page. */
const auditLimitMax = 100
const limitDefault = 20
const sequenceMax = 999_999_999_999_999
/** The most characters of the id or the name of a caller. */
const callerLengthMax = 256
/** The points that a page of audit records costs. One page of audit records may read many records of other callers. */
const pageCost = 100

const AuditEntry = Schema.Struct({
  sequence: Count.annotateKey({ description: "The number of the record in the audit log." }),
  at: Instant.annotateKey({ description: "When the record was stored, which is before its change." }),
  by: Schema.String.annotateKey({
    description: "The id of the token of the caller, the subject of its JWT, or the person at the command line."
  }),
  name: Schema.String.annotateKey({ description: "The name of the token." }),
  from: Schema.optionalKey(Schema.String).annotateKey({
    description: "The address of the caller; missing for the command line."
  }),
  what: Schema.String.annotateKey({ description: "The change, as the name of its route or of its command." }),
  of: Schema.String.annotateKey({ description: "The thing that is changed: a path, or the id of a token." })
}).annotate({ identifier: "AuditEntry" })

const entryOf = ({ storedAt, sequence, ...record }: StoredAudit): typeof AuditEntry.Type => ({
  sequence,
  at: instant(storedAt),
  ...record
})

const callerField = field(
  "by",
  "malformed-request",
  Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(callerLengthMax))
)

/** The name of a change has only letters, because the name is a part of a broker subject. */
const whatField = field(
  "what",
  "malformed-request",
  Schema.String.check(Schema.isPattern(/^[A-Za-z]{1,64}$/, { message: "must be the name of a change, like putRule" }))
)

/** Returns the query of a URL, with the parameters that have a value. */
const queryText = (members: Readonly<Record<string, string | number | undefined>>): string =>
  Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join("&")

const nextPath = ({ limit, by, what, since }: AuditQuery, cursor: number): string => {
  const moment = since === undefined ? undefined : new Date(since).toISOString()
  return `/audit?${queryText({ limit, by, what, since: moment, cursor })}`
}

const readAuditRoute = route({
  method: "GET",
  path: "/audit",
  name: "readAudit",
  group: "Service",
  summary: "Who asked for which change, newest first, in pages",
  description:
    "A record is written before its change is made, so a change that was refused may have a record. A page with a filter may be short or empty, and still have a next page.",
  stores: false,
  scope: "audit:read",
  parameters: {},
  query: {
    limit: optional(
      wholeNumberField("limit", "malformed-request", 1, auditLimitMax),
      limitDefault,
      "The most records on the page."
    ),
    cursor: optional(
      wholeNumberField("cursor", "malformed-request", 1, sequenceMax),
      undefined,
      "The cursor at which the page begins, from the page before. Without a cursor the answer is the newest page."
    ),
    by: optional(callerField, undefined, "Only records of the caller with this id or this name."),
    what: optional(whatField, undefined, "Only records of this change, like `putRule`."),
    since: optional(momentField("since"), undefined, "Only records that were stored at this time or later.")
  },
  answers: {
    200: jsonAnswer(
      "A page.",
      Schema.Struct({
        records: Schema.Array(AuditEntry),
        next: Schema.optionalKey(
          Schema.String.annotate({ description: "The path of the next page; the last page has none." })
        )
      }).annotate({ identifier: "AuditPage" }),
      ["link"]
    )
  },
  problems: ["unavailable", "outcome-unknown"],
  cost: () => pageCost,
  handle: Effect.fnUntraced(function* ({ cursor, limit, by, what, since }, edge) {
    const log = yield* AuditLog
    const query = { limit, by, what, since }
    const page = yield* log.page({ ...query, below: cursor })
    const records = page.records.map(entryOf)
    if (page.next === undefined) return reply(200, { records })
    const next = referenceTo(edge, nextPath(query, page.next))
    return reply(200, { records, next }, { link: `<${next}>; rel="next"` })
  })
})

export const auditRoutes = [readAuditRoute]
