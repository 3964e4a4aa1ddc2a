import type { ServerResponse } from "node:http"
import { type Cause, Effect, Option, Schema, Stream } from "effect"
import type { Context as HttpContext } from "hono"
import { accepts } from "hono/accepts"
import {
  type HistoryCursor,
  type HistoryFilter,
  type HistoryOrder,
  historyOrders,
  pageLimitMax
} from "../../protocol/Query.ts"
import { callerOf } from "../access/Caller.ts"
import { textAnswer } from "../contract/AnswerSpec.ts"
import { csvMediaType } from "../contract/Csv.ts"
import { askedUserIdField, wordField } from "../contract/Field.ts"
import { isProblem, problem } from "../contract/Problem.ts"
import { optional, route } from "../route/Route.ts"
import type { EdgeRuntime, EdgeServices } from "../runtime/EdgeRuntime.ts"
import { exportsOpenMax } from "../runtime/OpenExports.ts"
import { readProblems, readTotal, searchHistory } from "./AccountReads.ts"
import { csvColumns, type ExportFormat, exportFormats, fileDisposition, rowFormats } from "./ExportRows.ts"
import { filterOf, historyQuery } from "./HistoryQuery.ts"

const tooMany = problem(
  "unavailable",
  `This edge writes ${exportsOpenMax} exports already. Try again when one of them has ended.`,
  { "retry-after": "5" }
)

/** The right of the caller to the export has ended while the export was being written. */
class RightEnded extends Schema.TaggedError<RightEnded>()("RightEnded", {}) {
  override get message() {
    return "the token of the caller has expired or was revoked"
  }
}

/** Returns the format that a request accepts most. A request that prefers no format gets CSV. */
const acceptedFormat = (http: HttpContext): ExportFormat => {
  const format = accepts(http, {
    header: "Accept",
    supports: [...exportFormats],
    default: "csv",
    match: (wanted) => {
      const liked = wanted.filter(({ q }) => q > 0).sort((one, other) => other.q - one.q)
      const named = liked.flatMap(({ type }) =>
        exportFormats.filter((one) => {
          const { mediaType } = rowFormats[one]
          return [mediaType, `${mediaType.split("/")[0]}/*`, "*/*"].includes(type.toLowerCase())
        })
      )
      return named[0] ?? "csv"
    }
  })
  return format as ExportFormat
}

interface Exported {
  readonly userId: string
  readonly order: HistoryOrder
  readonly filter: HistoryFilter
}

/** The part of an export that is to be written: a page that is read already, or the page that begins at a cursor. */
interface Rest {
  readonly page?: Effect.Success<ReturnType<typeof searchHistory>>
  readonly place?: HistoryCursor
}

/**
 * Returns the bytes of an export, page by page. Reads a page when the caller has taken the pages before it. A page that
 * cannot be read fails the stream of the export. An answer whose stream fails breaks off, and does not look complete.
 */
const bytesOf = (format: ExportFormat, { userId, order, filter }: Exported, first: Rest) => {
  const { head, rowOf } = rowFormats[format]
  const pages = Stream.paginate(first, ({ page, place }: Rest) =>
    Effect.map(
      page === undefined
        ? searchHistory(
            { userId, order, filter, limit: pageLimitMax, ...(place === undefined ? {} : { place }) },
            "strong"
          )
        : Effect.succeed(page),
      ({ entries, next }) =>
        [
          [entries.map((entry) => rowOf(userId, entry)).join("")],
          next === undefined ? Option.none<Rest>() : Option.some<Rest>({ place: next })
        ] as const
    )
  )
  return Stream.concat(Stream.succeed(head), pages).pipe(
    Stream.filter((text) => text !== ""),
    Stream.map((text) => Buffer.from(text))
  )
}

/**
 * Ends the connection of a request, so that the body of the answer cannot look complete. If the stream failed instead
 * of the connection, the adapter of Hono could write the failure into the body. For a request without a connection, the
 * stream of the body fails.
 */
const breakOff = <E>(http: HttpContext, cause: Cause.Cause<E>): Stream.Stream<never, E> => {
  const { outgoing } = (http.env ?? {}) as { readonly outgoing?: ServerResponse }
  if (outgoing === undefined) return Stream.failCause(cause)
  outgoing.destroy()
  return Stream.empty
}

/** Fails when the right of the caller ends. */
const rightEnded = (edge: EdgeRuntime, http: HttpContext): Effect.Effect<never, RightEnded> =>
  Effect.callback((resume) => {
    const stop = edge.access?.onEnd(callerOf(edge, http), () => resume(Effect.fail(new RightEnded())))
    return Effect.sync(() => stop?.())
  })

/**
 * Answers with an export. An export has the entries that the account had when the export began. The first page is read
 * before the answer begins, so that a failure of this read gets its own status.
 */
const answer = Effect.fnUntraced(function* (
  edge: EdgeRuntime,
  http: HttpContext,
  format: ExportFormat,
  { userId, order, filter }: Exported
) {
  const headers = {
    "content-type": rowFormats[format].contentType,
    "content-disposition": fileDisposition(userId, format),
    "cache-control": "no-store"
  }
  if (http.req.method === "HEAD") return new Response(null, { headers })
  if (!edge.openExports.begin()) return yield* Effect.fail(tooMany)
  const end = Effect.sync(() => edge.openExports.end())
  const begin = Effect.gen(function* () {
    const { count } = yield* readTotal(userId, "strong")
    const before = Math.min(filter.before ?? count + 1, count + 1)
    const exported = { userId, order, filter: { ...filter, before } }
    const page = yield* searchHistory({ ...exported, limit: pageLimitMax }, "strong")
    return bytesOf(format, exported, { page })
  })
  const rows = yield* Effect.onError(begin, () => end)
  const services = yield* Effect.context<EdgeServices>()
  const bytes = rows.pipe(
    Stream.interruptWhen(rightEnded(edge, http)),
    Stream.tapError((failure) =>
      Effect.logWarning("an export broke off").pipe(
        Effect.annotateLogs({ reason: isProblem(failure) ? failure.detail : failure.message })
      )
    ),
    Stream.catchCause((cause) => breakOff(http, cause)),
    Stream.ensuring(end)
  )
  return new Response(Stream.toReadableStreamWith(bytes, services), { headers })
})

const exportRoute = route({
  method: "GET",
  path: "/users/{id}/export",
  name: "exportHistory",
  group: "Users",
  summary: "The history of a user as one file, CSV or NDJSON",
  description: `\`format\` chooses the format of the file. Without \`format\` the header \`Accept\` chooses: \`text/csv\`, which is the default, or \`application/x-ndjson\`. The file has the entries that the account had when the request came. An entry is in the file only if the entry meets all filters. Without filters the sum of all \`amount\` (CSV) or \`total\` (NDJSON) is the total of the account. If the file cannot be finished, the edge ends the connection before the end of the body. Clients then report an error. Do not use a part of a file that broke off. An edge writes up to ${exportsOpenMax} exports at once.`,
  stores: false,
  scope: "users:read",
  isLong: true,
  isStreamed: true,
  parameters: { id: askedUserIdField },
  query: {
    format: optional(wordField("format", exportFormats), undefined, "The format of the file."),
    ...historyQuery,
    order: optional(
      wordField("order", historyOrders),
      "oldest",
      "The entries that come first. The default is `oldest`."
    )
  },
  answers: {
    200: {
      ...textAnswer(
        csvMediaType,
        `The file. CSV is after RFC 4180, with the columns ${csvColumns.join(", ")}. Amounts are exact decimals, and a reversal has a negative \`amount\`. A text that a spreadsheet would take for a formula has an apostrophe in front. A line of NDJSON is an entry, as on a page of a history.`,
        ["content-disposition"]
      ),
      otherMediaTypes: [rowFormats.ndjson.mediaType]
    }
  },
  problems: readProblems,
  cost: () => 100,
  handle: Effect.fnUntraced(function* ({ id: userId, format, ...asked }, edge, http) {
    const filter = yield* filterOf(asked)
    return yield* answer(edge, http, format ?? acceptedFormat(http), { userId, order: asked.order, filter })
  })
})

export const exportRoutes = [exportRoute]
