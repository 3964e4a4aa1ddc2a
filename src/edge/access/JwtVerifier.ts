import { Schema } from "effect"
import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose"
import { TokenUsers } from "../../protocol/TokenRecord.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import { type Refused, wrongToken } from "./Access.ts"
import type { Caller } from "./Caller.ts"
import { secretHash } from "./TokenText.ts"

/**
 * The allowed algorithms of signatures. All allowed algorithms sign with a private key that no edge has. A JSON web
 * token cannot choose an algorithm that is not in this list.
 */
export const jwtAlgorithms = ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"]
/** The greatest difference between the clocks of the issuer and of the edge, in seconds. */
const clockToleranceSeconds = 5
/** The most callers with a verified token that are kept in memory. */
const verifiedMax = 4_096
/**
 * The time for which a token counts as verified, in milliseconds. A token whose key was removed is valid for at most
 * this time.
 */
const verifiedMilliseconds = 30_000
/**
 * The most characters of a token. A text above `textLengthMax` is refused as a token, and its content is not looked at.
 */
const textLengthMax = 8 * 1024

/** The issuer and the audience that a token has to name. */
export interface JwtSettings {
  readonly issuer: string
  readonly audience: string
}

interface Verified {
  readonly caller: Caller
  readonly until: number
}

const isUsers = Schema.is(TokenUsers)

/**
 * Returns the users whose data a token allows, by the claim `ledger_users`. A token without the claim `ledger_users`
 * allows only the data of its subject.
 */
const usersOf = ({ ledger_users: users, sub = "" }: JWTPayload): TokenUsers => {
  const claimed = Array.isArray(users) ? { only: users } : users
  return isUsers(claimed) ? claimed : { only: users === undefined ? [sub] : [] }
}

const scopesOf = ({ scope }: JWTPayload): ReadonlySet<string> =>
  new Set(typeof scope === "string" ? scope.split(" ") : [])

const unreadable = wrongToken("This token is not a JWT that this service takes. Ask for a new one.")
const expired = wrongToken("This token has expired. Ask for a new one.")
const keysGone = problem("unavailable", "The keys of the issuer of tokens cannot be read now. Try again.", {
  "retry-after": "1"
})

/** Returns the problem with a token whose verification failed. */
const problemOf = (failure: unknown): Refused => {
  if (failure instanceof errors.JWTExpired) return expired
  if (failure instanceof errors.JWTClaimValidationFailed) {
    return wrongToken(`The claim ${failure.claim} of this token is missing or wrong. Ask for a new one.`)
  }
  if (failure instanceof errors.JWKSNoMatchingKey || failure instanceof errors.JWKSMultipleMatchingKeys) {
    return wrongToken("This token is signed with a key that this service does not know. Ask for a new one.")
  }
  const isOfKeys = failure instanceof errors.JWKSTimeout || failure instanceof errors.JWKSInvalid
  return failure instanceof errors.JOSEError && !isOfKeys && failure.code !== "ERR_JOSE_GENERIC" ? unreadable : keysGone
}

/** Verifies JSON web tokens, and keeps the callers of verified tokens for a short time. */
export class JwtVerifier {
  private readonly keys: JWTVerifyGetKey
  private readonly settings: JwtSettings
  private readonly now: () => number
  /**
   * The callers of verified tokens, by the hash of each token's text. The token that was verified first comes first.
   */
  private readonly verified = new Map<string, Verified>()

  constructor(keys: JWTVerifyGetKey, settings: JwtSettings, now: () => number) {
    this.keys = keys
    this.settings = settings
    this.now = now
  }

  /** Returns the caller of a token, or the problem with the token. */
  identify(text: string): Caller | Refused | Promise<Caller | Refused> {
    if (text.length > textLengthMax) return unreadable
    const key = secretHash(text).toString("base64")
    const known = this.verified.get(key)
    if (known === undefined || known.until <= this.now()) return this.verify(text, key)
    return known.caller.ended() ?? known.caller
  }

  private async verify(text: string, key: string): Promise<Caller | Refused> {
    try {
      const { payload } = await jwtVerify(text, this.keys, {
        ...this.settings,
        algorithms: jwtAlgorithms,
        requiredClaims: ["exp", "sub"],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(this.now())
      })
      const until = this.now() + verifiedMilliseconds
      const caller = this.callerOf(payload, until)
      this.verified.delete(key)
      const [oldest] = this.verified.keys()
      if (this.verified.size >= verifiedMax && oldest !== undefined) this.verified.delete(oldest)
      this.verified.set(key, { caller, until })
      return caller
    } catch (failure) {
      return problemOf(failure)
    }
  }

  private callerOf(payload: JWTPayload, verifiedUntil: number): Caller {
    const { sub = "", exp = 0 } = payload
    const expiresAt = (exp + clockToleranceSeconds) * 1_000
    return {
      id: sub,
      name: sub,
      scopes: scopesOf(payload),
      users: usersOf(payload),
      limits: {},
      expiresAt,
      ended: (): Problem<"unauthenticated"> | undefined => (expiresAt <= this.now() ? expired : undefined),
      isCurrent: () => this.now() < Math.min(expiresAt, verifiedUntil)
    }
  }
}
