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
  at: Instant.annotateKey({
    description: "The time at which the record was stored. The service stores the record before it makes the change."
  }),
  by: Schema.String.annotateKey({
    description: "The caller: the id of a token, the subject of a JWT, or the person at the command line."
  }),
  name: Schema.String.annotateKey({ description: "The name of the token." }),
  from: Schema.optionalKey(Schema.String).annotateKey({
    description: "The network address of the caller; missing for a change by the command line."
  }),
  what: Schema.String.annotateKey({
    description: "The kind of the change: the name of the route, or of the command, that the caller used."
  }),
  of: Schema.String.annotateKey({
    description: "The thing that the caller wanted to change: a path, or the id of a token."
  })
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
  summary: "The audit records of changes, newest first, in pages",
  description:
    "A record is stored before its change is made, so a refused change may have a record. A page with a filter may be short or empty and still have `next`.",
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
          Schema.String.annotate({ description: "The path of the next page; missing on the last page." })
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
