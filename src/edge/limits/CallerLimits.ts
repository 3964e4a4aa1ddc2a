import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible"
import type { TokenLimits } from "../../protocol/TokenRecord.ts"
import { type Problem, problem } from "../contract/Problem.ts"

/** The bounds of each caller whose token has no bounds of its own. */
export type LimitSettings = Required<TokenLimits>

/**
 * The default bounds of each caller. An honest caller stays far below the default bounds. A caller that uses its bounds
 * fully leaves most of the edge to other callers.
 */
export const limitsDefault: LimitSettings = {
  pointsPerSecond: 100_000,
  reads: 512,
  lineBodies: 4,
  feeds: 16,
  waitingPosts: 4_096
}

/** The kinds of requests that are counted while they are in flight. */
export type FlightKind = Exclude<keyof TokenLimits, "pointsPerSecond">

/** A caller whose requests are bounded. */
export interface LimitedCaller {
  /** The text that names the caller: the id of its token, or its address if the caller has no token. */
  readonly key: string
  /** The bounds that the caller's token sets for the caller. */
  readonly limits: TokenLimits
}

type TooMany = Problem<"too-many-requests">

/** The words for each kind of requests in flight, in messages to callers. */
const flights: Readonly<Record<FlightKind, string>> = {
  reads: "reads",
  lineBodies: "bodies of lines",
  feeds: "feeds",
  waitingPosts: "requests that store"
}

const tooManyInFlight = (kind: FlightKind, max: number): TooMany =>
  problem("too-many-requests", `This caller has ${max} ${flights[kind]} open already. Wait for one of them to end.`, {
    "retry-after": "1",
    "ratelimit-policy": `"${kind}";q=${max};qu="concurrent-requests"`,
    ratelimit: `"${kind}";r=0;t=1`
  })

const tooFast = (max: number, waitMilliseconds: number): TooMany => {
  const seconds = Math.max(1, Math.ceil(waitMilliseconds / 1_000))
  return problem("too-many-requests", `This caller may spend ${max} points in a second. Wait ${seconds} s.`, {
    "retry-after": String(seconds),
    "ratelimit-policy": `"points";q=${max};w=1`,
    ratelimit: `"points";r=0;t=${seconds}`
  })
}

/** Bounds the requests of each caller of an edge: the points of a second, and the requests in flight. */
export class CallerLimits {
  private readonly defaults: LimitSettings
  /**
   * The limiters of points, by the number of points that a caller has in a second. Few limiters are needed, because few
   * tokens have a number of points of their own.
   */
  private readonly limiters = new Map<number, RateLimiterMemory>()
  /** The number of requests in flight, by kind and caller. A caller without a request in flight has no entry. */
  private readonly inFlight: Readonly<Record<FlightKind, Map<string, number>>> = {
    reads: new Map(),
    lineBodies: new Map(),
    feeds: new Map(),
    waitingPosts: new Map()
  }

  constructor(defaults: LimitSettings) {
    this.defaults = defaults
  }

  /**
   * Counts a request of a caller as in flight. Returns the function that ends the counting, or a problem if the caller
   * has too many requests in flight.
   */
  begin({ key, limits }: LimitedCaller, kind: FlightKind): (() => void) | TooMany {
    const max = limits[kind] ?? this.defaults[kind]
    const inFlight = this.inFlight[kind]
    const count = inFlight.get(key) ?? 0
    if (count >= max) return tooManyInFlight(kind, max)
    inFlight.set(key, count + 1)
    return () => {
      const left = (inFlight.get(key) ?? 0) - 1
      if (left > 0) inFlight.set(key, left)
      else inFlight.delete(key)
    }
  }

  /**
   * Takes points from the points that the caller may spend in the current second. Returns a problem if the caller has
   * too few points left.
   */
  spend({ key, limits }: LimitedCaller, points: number): Promise<TooMany | undefined> {
    const max = limits.pointsPerSecond ?? this.defaults.pointsPerSecond
    const refusedAs = (refused: unknown): TooMany => {
      if (refused instanceof RateLimiterRes) return tooFast(max, refused.msBeforeNext)
      throw refused
    }
    // A request that costs more than all points of a second takes all points of one second.
    return this.limiterOf(max)
      .consume(key, Math.min(points, max))
      .then(() => undefined, refusedAs)
  }

  private limiterOf(points: number): RateLimiterMemory {
    const known = this.limiters.get(points)
    if (known !== undefined) return known
    const made = new RateLimiterMemory({ points, duration: 1, keyPrefix: "" })
    this.limiters.set(points, made)
    return made
  }
}
