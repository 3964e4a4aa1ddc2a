import { Context, Effect } from "effect"
import type { AuditRecord } from "../../protocol/AuditRecord.ts"
import { AuditLog } from "../../nats/AuditLog.ts"
import type { Context as HttpContext } from "hono"
import { getCookie } from "hono/cookie"
import { connectionOf } from "../contract/Connection.ts"
import { headerLines, sentLines } from "../contract/HeaderLines.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import { callerNetwork } from "../limits/CallerNetwork.ts"
import type { WrongTokens } from "../limits/WrongTokens.ts"
import type { Caller } from "./Caller.ts"
import type { ConnectionCallers } from "./ConnectionCallers.ts"

/** The name of the cookie in which a browser keeps the dashboard's token. */
export const sessionCookie = "purchase_ledger_token"

export type Refused = Problem<"malformed-request" | "unauthenticated" | "too-many-requests" | "unavailable">

/** The caller of a request, or the problem with the caller's token; for some tokens as a promise. */
type Identified = Caller | Refused | Promise<Caller | Refused>

/** The functions with which an edge identifies its callers. */
export interface Access {
  /** Returns whether the edge can identify callers now. The edge answers 503 while `isReady` returns `false`. */
  readonly isReady: () => boolean
  /** Returns the caller with this token, or the problem with the token. */
  readonly identify: (token: string) => Identified
  /** Calls `ended` once when the rights of a caller end. Returns a function that stops the watch. */
  readonly onEnd: (caller: Caller, ended: () => void) => () => void
  /**
   * Writes the audit record of a change that a caller asks for. Resolves to `false` if the audit record cannot be
   * written.
   */
  readonly audit: (record: AuditRecord) => Promise<boolean>
}

/**
 * Returns the function that writes audit records. If an audit record cannot be written, the returned function logs the
 * reason.
 */
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

/** The functions with which this process's edge identifies callers; `undefined` if the edge asks for no tokens. */
export class AccessControl extends Context.Service<AccessControl, { readonly access: Access | undefined }>()(
  "purchases/edge/AccessControl"
) {}

const realm = 'Bearer realm="purchase-ledger"'

/** Makes the problem for a request whose token is not valid. */
export const wrongToken = (detail: string): Problem<"unauthenticated"> =>
  problem("unauthenticated", detail, { "www-authenticate": `${realm}, error="invalid_token"` })

const noToken = problem("unauthenticated", "This needs a token. Send it in the header Authorization: Bearer.", {
  "www-authenticate": realm
})

const otherScheme = problem("unauthenticated", "Send the token in the header Authorization: Bearer.", {
  "www-authenticate": realm
})

const twoHeaders = problem("malformed-request", "The request has two different Authorization headers. Send one.")

/** The problem with which an edge answers while it cannot identify callers yet. */
export const accessNotReady = problem("unavailable", "This edge has not read the tokens yet. Try again.", {
  "retry-after": "1"
})

/** Makes the problem for a caller whose token lacks a right that the request needs. */
export const lacking = (detail: string, scope: string): Problem<"forbidden"> =>
  problem("forbidden", detail, { "www-authenticate": `${realm}, error="insufficient_scope", scope="${scope}"` })

/**
 * Returns the token of a request. A token in the header is used before a token in the cookie. No message repeats the
 * text of a token.
 */
const tokenOf = (http: HttpContext): string | Refused => {
  const lines = headerLines(http, "Authorization")
  if (isProblem(lines)) return lines
  const [header, other] = new Set(lines)
  if (header === undefined) return getCookie(http, sessionCookie) ?? noToken
  if (other !== undefined) return twoHeaders
  return /^Bearer +([^\s]+)$/i.exec(header)?.[1] ?? otherScheme
}

/** The parts of an edge that identify callers. */
interface AskedEdge {
  readonly wrongTokens: WrongTokens
  readonly connectionCallers: ConnectionCallers
}

/**
 * Returns the caller with the token of a request, or the problem with the token. Refuses a token without looking it up
 * if the request's network has sent too many wrong tokens.
 */
export const callerWith = (
  { wrongTokens }: Pick<AskedEdge, "wrongTokens">,
  access: Access,
  http: HttpContext,
  token: string
): Identified => {
  const network = callerNetwork(http)
  if (network === undefined) return access.identify(token)
  const refused = wrongTokens.problemOf(network, token)
  if (refused !== undefined) return refused
  const counted = (found: Caller | Refused): Caller | Refused => {
    if (!isProblem(found)) wrongTokens.wasRight(network, token)
    else if (found.kind === "unauthenticated") wrongTokens.wasWrong(network)
    return found
  }
  const found = access.identify(token)
  return found instanceof Promise ? found.then(counted) : counted(found)
}

/** Returns the caller of a request, or the problem with the request's token. */
export const identified = (edge: AskedEdge, access: Access, http: HttpContext): Identified => {
  if (!access.isReady()) return accessNotReady
  const connection = connectionOf(http)
  const [header, other] = sentLines(http, "Authorization")
  const isKept = connection !== undefined && header !== undefined && other === undefined
  const known = isKept ? edge.connectionCallers.find(connection, header) : undefined
  if (known !== undefined) return known
  const token = tokenOf(http)
  if (isProblem(token)) return token
  const kept = (found: Caller | Refused): Caller | Refused => {
    if (isKept && !isProblem(found)) edge.connectionCallers.keep(connection, header, found)
    return found
  }
  const found = callerWith(edge, access, http, token)
  return found instanceof Promise ? found.then(kept) : kept(found)
}
