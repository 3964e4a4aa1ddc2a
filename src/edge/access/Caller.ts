import type { Context as HttpContext } from "hono"
import { scopes } from "../../protocol/Scope.ts"
import { includesUser, type TokenLimits, type TokenUsers } from "../../protocol/TokenRecord.ts"
import { type Problem, problem } from "../contract/Problem.ts"

/** The caller of a request, with its rights. */
export interface Caller {
  /**
   * The id of the caller's token, or the subject of the caller's JWT. The id is empty if the edge asks for no token.
   */
  readonly id: string
  /** The name of the token, for people. */
  readonly name: string
  readonly scopes: ReadonlySet<string>
  readonly users: TokenUsers
  readonly limits: TokenLimits
  /** The time at which the caller's rights end, in milliseconds since 1970; `undefined` for rights without an end. */
  readonly expiresAt: number | undefined
  /** Returns why the caller's rights have ended; `undefined` while the rights hold. */
  readonly ended: () => Problem<"unauthenticated"> | undefined
  /** Returns whether the caller's token still gives exactly these rights, without a new check of the token. */
  readonly isCurrent: () => boolean
}

/**
 * The one caller of an edge that asks for no tokens. The caller of an edge that asks for no tokens may do everything.
 */
export const everybody: Caller = {
  id: "",
  name: "everybody",
  scopes: new Set(Object.keys(scopes)),
  users: "all",
  limits: {},
  expiresAt: undefined,
  ended: () => undefined,
  isCurrent: () => true
}

/** Returns whether a caller may read and store the data of a user. */
export const mayUse = ({ users }: Caller, userId: string): boolean => includesUser(users, userId)

/** The key of the caller among the variables of a request. */
const callerKey = "caller"

/** Keeps the caller of a request for the handler of its route. */
export const setCaller = (http: HttpContext, caller: Caller): void => http.set(callerKey, caller)

/**
 * Returns the caller of a request. An edge that asks for tokens has checked the caller before any handler runs. Throws
 * if the caller was not checked, so that a mistake in the code gives nobody more rights.
 */
export const callerOf = ({ access }: { readonly access?: unknown }, http: HttpContext): Caller => {
  if (access === undefined) return everybody
  const caller: Caller | undefined = http.get(callerKey)
  if (caller === undefined) throw new Error("The caller of a request was not checked.")
  return caller
}

/**
 * The problem for a path with a user whose data the caller's token does not allow. The problem for another caller's
 * user does not say whether the user exists.
 */
export const unknownUser = (userId: string): Problem<"not-found"> =>
  problem("not-found", `This token gives no user ${userId}. Ask for a token of this user, or check the id.`)

/** The problem for a posted purchase of a user whose data the caller's token does not allow. */
export const foreignUser = (userId: string): Problem<"forbidden"> =>
  problem("forbidden", `This token may not store for user ${userId}. Nothing was stored; use a token of this user.`)
