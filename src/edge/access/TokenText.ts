import { hash, randomBytes } from "node:crypto"

/** The number of bytes in the secret of a token, and in the id of a token. */
const secretBytes = 32
const idBytes = 6

const tokenPattern = /^pl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/
/** The most characters of a text that may be a token. Every token is shorter than this bound. */
const textLengthMax = 128

/**
 * The two parts of a token like `pl_<id>_<secret>`. The id of a token may be shown; the secret of a token is shown only
 * once.
 */
export interface TokenParts {
  readonly id: string
  readonly secret: string
}

/** Makes a new secret: 32 random bytes in base64url. */
export const newSecret = (): string => randomBytes(secretBytes).toString("base64url")

/** Makes the id of a new token. */
export const newTokenId = (): string => randomBytes(idBytes).toString("hex")

/** Writes a token as the text that callers send. The prefix `pl_` lets scanners for leaked secrets find tokens. */
export const tokenText = ({ id, secret }: TokenParts): string => `pl_${id}_${secret}`

/** Reads the parts of a token; `undefined` if the text is not a token. */
export const readTokenText = (text: string): TokenParts | undefined => {
  const [, id, secret] = text.length > textLengthMax ? [] : (tokenPattern.exec(text) ?? [])
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/** Returns the SHA-256 of a token's secret. A slow hash would add no security, because a secret has 256 random bits. */
export const secretHash = (secret: string): Buffer => hash("sha256", secret, "buffer")
