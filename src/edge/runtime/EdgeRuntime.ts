import { Cause, Context, Effect, Exit, type Semaphore } from "effect"
import type { Context as HttpContext } from "hono"
import type { AlertFeed } from "../../alerts/AlertFeed.ts"
import type { AlertPages } from "../../alerts/AlertPages.ts"
import type { RuleStore } from "../../alerts/RuleStore.ts"
import type { BackTest } from "../../alerts/BackTest.ts"
import type { Feed } from "../../feed/Feed.ts"
import type { AuditLog } from "../../nats/AuditLog.ts"
import type { InputLog } from "../../nats/InputLog.ts"
import type { ConnectionState } from "../../nats/client/ConnectionState.ts"
import type { SendTransport } from "../../nats/SendTransport.ts"
import type { WebhookStore } from "../../nats/WebhookStore.ts"
import type { RejectedRecords } from "../../nats/RejectedRecords.ts"
import type { QueryClient } from "../../asking/QueryClient.ts"
import type { Access } from "../access/Access.ts"
import { ConnectionCallers } from "../access/ConnectionCallers.ts"
import { alertEvents, EventBytes, purchaseEvents } from "./EventBytes.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import type { Traces } from "../../runtime/Traces.ts"
import { type EdgeFailure, problemOf } from "../contract/FailureProblem.ts"
import { isProblem, type Problem, problem, type ProblemKind, problemResponse } from "../contract/Problem.ts"
import { CallerLimits, limitsDefault, type LimitSettings } from "../limits/CallerLimits.ts"
import { WrongTokens, wrongTokensDefault } from "../limits/WrongTokens.ts"
import { bulkGroupTurns } from "./BulkGroups.ts"
import { Incidents } from "./Incidents.ts"
import { LineBodies } from "./LineBodies.ts"
import { OpenExports } from "./OpenExports.ts"
import { PurchaseReader } from "../contract/PurchaseReader.ts"
import { ReversalReader } from "../contract/ReversalReader.ts"
import type { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { instanceOf, type Located } from "../contract/Reference.ts"
import type { AlertStatus } from "../../status/AlertStatus.ts"
import type { JournalCapacity } from "../../nats/JournalCapacity.ts"
import type { SystemStatus } from "../../status/SystemStatus.ts"

export type EdgeServices =
  | PurchasePublisher
  | QueryClient
  | InputLog
  | ConnectionState
  | RejectedRecords
  | RuleStore
  | Feed
  | AlertPages
  | AuditLog
  | AlertFeed
  | BackTest
  | AlertStatus
  | JournalCapacity
  | SystemStatus
  | WebhookStore
  | SendTransport

/** The function that makes a purchase id if the caller gave none. Tests replace the function that makes ids. */
export const NewId = Context.Reference<() => string>("purchases/edge/NewId", {
  defaultValue: () => () => crypto.randomUUID()
})

/** The process in which the routes run, as far as the routes use it. */
export interface EdgeProcess extends Located {
  readonly runPromiseExit: <A, E>(
    effect: Effect.Effect<A, E, EdgeServices>,
    options?: { readonly signal: AbortSignal }
  ) => Promise<Exit.Exit<A, E>>
  /**
   * Whether the process was told to stop. A process that was told to stop finishes the requests that it has accepted,
   * and accepts no further requests.
   */
  readonly isDraining: () => boolean
  /** Whether the edge serves the routes of an earlier system that store by GET; the default is `true`. */
  readonly compatibleRoutes?: boolean
  /** Whether the dashboard has the buttons that store random purchases; the default is `false`. */
  readonly demo?: boolean
  /**
   * How the edge finds out who its callers are. Without the member `access` the edge asks nobody for a token, and every
   * caller may do everything.
   */
  readonly access?: Access | undefined
  /** Whether each post of purchases has an audit record; the default is `false`. */
  readonly auditPosts?: boolean
  /** The limits on the requests of each caller. */
  readonly callerLimits?: LimitSettings
  /** The most wrong tokens of an address in a minute. */
  readonly wrongTokensMax?: number
  /** The traces of this process. Without the member `traces` no request is traced. */
  readonly traces?: Traces | undefined
}

/** The process, with the parts that all requests of an edge share. Each route gets the runtime of its edge. */
export interface EdgeRuntime extends EdgeProcess {
  readonly purchaseReader: PurchaseReader
  readonly reversalReader: ReversalReader
  readonly lineBodies: LineBodies
  readonly openExports: OpenExports
  readonly bulkGroups: Semaphore.Semaphore
  readonly limits: CallerLimits
  readonly wrongTokens: WrongTokens
  readonly connectionCallers: ConnectionCallers
  readonly purchaseEventBytes: EventBytes
  readonly alertEventBytes: EventBytes
  readonly incidents: Incidents
}

/** Makes the runtime of one edge. */
export const makeEdgeRuntime = (process: EdgeProcess): EdgeRuntime => ({
  ...process,
  purchaseReader: new PurchaseReader(),
  reversalReader: new ReversalReader(),
  lineBodies: new LineBodies(),
  openExports: new OpenExports(),
  bulkGroups: bulkGroupTurns(),
  limits: new CallerLimits(process.callerLimits ?? limitsDefault),
  wrongTokens: new WrongTokens(process.wrongTokensMax ?? wrongTokensDefault),
  connectionCallers: new ConnectionCallers(),
  purchaseEventBytes: new EventBytes(purchaseEvents),
  alertEventBytes: new EventBytes(alertEvents),
  incidents: new Incidents()
})

/** The answer to a request that failed by a mistake of the server. A mistake of the server is logged. */
export const serverMistake = problem(
  "internal-error",
  "The server made a mistake, and logged it. Stored purchases are safe."
)

/** The answer to a request that would store something while the process stops. */
export const stopping = problem("unavailable", "This edge is stopping.", { "retry-after": "1" })

/** Answers a request with a problem. `incident` is the id under which the log has the cause of the problem. */
export const refusal = (edge: EdgeRuntime, http: HttpContext, what: Problem, incident?: string): Response =>
  problemResponse(what, instanceOf(edge, http), incident)

/** The least status of a problem that is a failure of the service, and not of the request. */
const serverFailureMin = 500

/**
 * Answers a request with a problem. If the service failed, the problem has an id, and the log has the cause under that
 * id. `cause` is for the log only, so it may have words of the broker.
 */
export const loggedRefusal = async (
  edge: EdgeRuntime,
  http: HttpContext,
  what: Problem,
  cause: { readonly text: string; readonly logged: unknown }
): Promise<Response> => {
  if (what.status < serverFailureMin) return refusal(edge, http, what)
  const { id, isNew } = edge.incidents.of(`${what.kind} ${cause.text}`)
  const isMistake = what.kind === "internal-error"
  const told = (isMistake ? Effect.logError : Effect.logWarning)(
    isMistake ? "a request failed" : "a request was not served",
    cause.logged
  )
  if (isNew) {
    const { kind } = what
    await edge.runPromiseExit(Effect.annotateLogs(told, { incident: id, kind, instance: instanceOf(edge, http) }))
  }
  return refusal(edge, http, what, id)
}

/** Runs a route's effect, and answers a failure as a problem. The signal in `options` interrupts the effect. */
export const respond = async (
  edge: EdgeRuntime,
  http: HttpContext,
  effect: Effect.Effect<Response, EdgeFailure, EdgeServices>,
  options?: { readonly signal: AbortSignal }
): Promise<Response> => {
  const exit = await edge.runPromiseExit(effect, options)
  if (Exit.isSuccess(exit)) return exit.value
  const failure = failureOf(exit)
  if (failure !== undefined) {
    const text = isProblem(failure) ? failure.detail : failure.message
    return loggedRefusal(edge, http, problemOf(failure), { text, logged: text })
  }
  if (Cause.hasInterruptsOnly(exit.cause)) {
    const ended = problem("unavailable", "The request was ended before it was answered.", { "retry-after": "1" })
    return refusal(edge, http, ended)
  }
  return loggedRefusal(edge, http, serverMistake, { text: Cause.pretty(exit.cause), logged: exit.cause })
}

/** Fails if a check returned a problem, or succeeds with the value that the check returned. */
export const orFail = <A, Kind extends ProblemKind>(checked: A | Problem<Kind>): Effect.Effect<A, Problem<Kind>> =>
  isProblem(checked) ? Effect.fail(checked as Problem<Kind>) : Effect.succeed(checked as A)
