import { timingSafeEqual } from "node:crypto"
import { decodeTokenRecord, type TokenRecord } from "../../protocol/TokenRecord.ts"
import type { StoredToken } from "../../nats/TokenStore.ts"
import type { Problem } from "../contract/Problem.ts"
import { wrongToken } from "./Access.ts"
import type { Caller } from "./Caller.ts"
import { readTokenText, secretHash } from "./TokenText.ts"

type TokenProblem = Problem<"unauthenticated">

const unknown = wrongToken("This token does not exist. Check it, or ask for a new one.")
const revoked = wrongToken("This token was revoked. Ask for a new one.")
const expired = (at: number): TokenProblem =>
  wrongToken(`This token expired at ${new Date(at).toISOString()}. Ask for a new one.`)
const replaced = wrongToken("This token was replaced by a newer one. Use the newer one.")

/** The hash that is compared for a token that does not exist. No secret has this hash of zeros. */
const noHash = Buffer.alloc(32)

/** A secret of a token, as the bytes of the secret's hash. */
interface Secret {
  readonly hash: Buffer
  readonly until: number | undefined
}

interface KnownToken {
  readonly sequence: number
  /**
   * The record of the token; `undefined` if the stored record cannot be read. A token without a readable record has no
   * rights.
   */
  readonly record: TokenRecord | undefined
  readonly secrets: ReadonlyArray<Secret>
}

const readRecord = (text: string): TokenRecord | undefined => {
  try {
    return decodeTokenRecord(text)
  } catch {
    return undefined
  }
}

const knownOf = ({ sequence, text }: StoredToken): KnownToken => {
  const record = readRecord(text)
  const secrets = (record?.secrets ?? []).map(({ sha256, until }) => ({ hash: Buffer.from(sha256, "hex"), until }))
  return { sequence, record, secrets: secrets.filter(({ hash }) => hash.length === noHash.length) }
}

/**
 * Keeps the tokens in the memory of an edge. The token of a request is checked in memory, without a read from the
 * broker.
 */
export class Tokens {
  private readonly known = new Map<string, KnownToken>()
  private readonly now: () => number
  /** The sequence of the newest record that was taken into memory. */
  newest = 0

  constructor(now: () => number) {
    this.now = now
  }

  /** Takes the stored record of a token into memory. Returns whether the record can be read. */
  take(stored: StoredToken): boolean {
    this.newest = Math.max(this.newest, stored.sequence)
    const before = this.known.get(stored.id)
    const taken = knownOf(stored)
    if (before === undefined || before.sequence < taken.sequence) this.known.set(stored.id, taken)
    return taken.record !== undefined
  }

  /**
   * Returns the caller with a token, or the problem with the token. The problem says why a token ended only if the
   * secret of the token is right, so that nobody learns about other callers' tokens.
   */
  identify(text: string): Caller | TokenProblem {
    const parts = readTokenText(text)
    if (parts === undefined) return unknown
    const token = this.known.get(parts.id)
    const hash = secretHash(parts.secret)
    const matches = (secret: Secret) => timingSafeEqual(secret.hash, hash)
    const secret = token === undefined ? undefined : token.secrets.find(matches)
    if (token === undefined) timingSafeEqual(noHash, hash)
    if (token?.record === undefined || secret === undefined) return unknown
    const { name, scopes, users, limits = {}, expiresAt } = token.record
    const ended = () => this.endOf(parts.id, secret.hash)
    const endsAt = Math.min(expiresAt ?? Infinity, secret.until ?? Infinity)
    const isCurrent = () => this.known.get(parts.id) === token && this.now() < endsAt
    return ended() ?? { id: parts.id, name, scopes: new Set(scopes), users, limits, expiresAt, ended, isCurrent }
  }

  /** Returns why a secret of a token is no longer valid; `undefined` while the secret is valid. */
  private endOf(id: string, hash: Buffer): TokenProblem | undefined {
    const { record, secrets = [] } = this.known.get(id) ?? {}
    if (record === undefined) return unknown
    if (record.revokedAt !== undefined) return revoked
    if (record.expiresAt !== undefined && record.expiresAt <= this.now()) return expired(record.expiresAt)
    const secret = secrets.find((one) => timingSafeEqual(one.hash, hash))
    return secret === undefined || (secret.until !== undefined && secret.until <= this.now()) ? replaced : undefined
  }
}
