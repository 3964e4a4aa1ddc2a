import type { TokenRecord } from "../../protocol/TokenRecord.ts"
import { newSecret, newTokenId, secretHash, tokenText } from "./TokenText.ts"

/** A token as text, which is shown only once, with the record that is stored. */
export interface IssuedToken {
  readonly id: string
  readonly token: string
  readonly record: TokenRecord
}

const issued = (id: string, recordWith: (sha256: string) => TokenRecord): IssuedToken => {
  const secret = newSecret()
  return { id, token: tokenText({ id, secret }), record: recordWith(secretHash(secret).toString("hex")) }
}

/** Makes a new token with rights. */
export const newToken = (rights: Omit<TokenRecord, "v" | "secrets">): IssuedToken =>
  issued(newTokenId(), (sha256) => ({ v: 1, ...rights, secrets: [{ sha256 }] }))

/** Gives a token a new secret. The old secret stays valid until `keepOldUntil`, in milliseconds since 1970. */
export const rolledToken = (id: string, record: TokenRecord, now: number, keepOldUntil: number): IssuedToken => {
  const old = record.secrets
    .filter(({ until }) => until === undefined || until > now)
    .map(({ sha256, until = keepOldUntil }) => ({ sha256, until: Math.min(until, keepOldUntil) }))
  return issued(id, (sha256) => ({
    ...record,
    secrets: [{ sha256 }, ...(keepOldUntil > now ? old : [])]
  }))
}

/** Returns the record of a token that is revoked for ever. */
export const revokedToken = (record: TokenRecord, now: number): TokenRecord => ({
  ...record,
  revokedAt: record.revokedAt ?? now
})
