import { Context, Effect } from "effect"
import type { AuditRecord } from "../../protocol/AuditRecord.ts"
import { AuditLog } from "../../nats/AuditLog.ts"
import type { Context as HttpContext } from "hono"
import { getCookie } from "hono/cookie"
import { headerLines } from "../contract/HeaderLines.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import type { Caller } from "./Caller.ts"

/** The cookie in which a browser keeps the token of the dashboard. */
export const sessionCookie = "purchase_ledger_token"

export type Refused = Problem<"malformed-request" | "unauthenticated" | "unavailable">

/** How an edge finds out who its callers are. */
export interface Access {
  /** Whether callers can be told apart now. Until then the edge answers 503. */
  readonly isReady: () => boolean
  /** Returns the caller with this token, or the problem of the token. */
  readonly identify: (token: string) => Caller | Refused | Promise<Caller | Refused>
  /** Calls `ended` once when the rights of a caller end. Returns a function that stops the watch. */
  readonly onEnd: (caller: Caller, ended: () => void) => () => void
  /** Writes down that a caller asks for a change. Resolves to `false` if that is not possible. */
  readonly audit: (record: AuditRecord) => Promise<boolean>
}

/** Returns the function that writes audit records. It logs why a record cannot be written. */
export const auditing = Effect.gen(function* () {
  const log = yield* AuditLog
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  return (record: AuditRecord): Promise<boolean> =>
    run(
      log.append(record).pipe(
        Effect.as(true),
        Effect.catch((failure) =>
          Effect.as(Effect.logWarning("an audit record cannot be written, so its change is refused", failure), false)
        )
      )
    )
})

/** The access of the edge of this process; `undefined` if the edge asks nobody for a token. */
export class AccessControl extends Context.Service<AccessControl, { readonly access: Access | undefined }>()(
  "purchases/edge/AccessControl"
) {}

const realm = 'Bearer realm="purchase-ledger"'

/** Makes the problem of a token that does not count. */
export const wrongToken = (detail: string): Problem<"unauthenticated"> =>
  problem("unauthenticated", detail, { "www-authenticate": `${realm}, error="invalid_token"` })

const noToken = problem("unauthenticated", "This needs a token. Send it in the header Authorization: Bearer.", {
  "www-authenticate": realm
})

const otherScheme = problem("unauthenticated", "Send the token in the header Authorization: Bearer.", {
  "www-authenticate": realm
})

const twoHeaders = problem("malformed-request", "The request has two different Authorization headers. Send one.")

/** The problem of an edge that cannot tell its callers apart yet. */
export const accessNotReady = problem("unavailable", "This edge has not read the tokens yet. Try again.", {
  "retry-after": "1"
})

/** Makes the problem of a caller whose token lacks a right. */
export const lacking = (detail: string, scope: string): Problem<"forbidden"> =>
  problem("forbidden", detail, { "www-authenticate": `${realm}, error="insufficient_scope", scope="${scope}"` })

/** Returns the token of a request. A header counts before the cookie. No message shows what was sent. */
const tokenOf = (http: HttpContext): string | Refused => {
  const lines = headerLines(http, "Authorization")
  if (isProblem(lines)) return lines
  const [header, other] = new Set(lines)
  if (header === undefined) return getCookie(http, sessionCookie) ?? noToken
  if (other !== undefined) return twoHeaders
  return /^Bearer +([^\s]+)$/i.exec(header)?.[1] ?? otherScheme
}

/** Returns the caller of a request, or the problem of its token. */
export const identified = (access: Access, http: HttpContext): Caller | Refused | Promise<Caller | Refused> => {
  if (!access.isReady()) return accessNotReady
  const token = tokenOf(http)
  return isProblem(token) ? token : access.identify(token)
}
