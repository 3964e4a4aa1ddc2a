import { fnv1a } from "../account/TextHash.ts"

/** Names on the broker: the streams, their subjects, the keys of the buckets. */
export const inputStream = "PURCHASES"

const plainToken = /^[A-Za-z0-9_-]+$/
const bytesOf = new TextEncoder()
const textOf = new TextDecoder("utf-8", { fatal: true })

/**
 * Writes an id as one subject token and KV key part: each UTF-8 byte outside of A-Z a-z 0-9 _ - becomes =HH.
 * The result is reversible, and holds no wildcard and no separator.
 */
export const encodeToken = (id: string): string => {
  if (plainToken.test(id)) return id
  let token = ""
  for (const byte of bytesOf.encode(id)) {
    const character = String.fromCharCode(byte)
    token += plainToken.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`
  }
  return token
}

/** The id that {@link encodeToken} wrote as this token. */
export const decodeToken = (token: string): string => {
  const bytes: Array<number> = []
  for (let index = 0; index < token.length; index += 1) {
    if (token[index] === "=") {
      bytes.push(Number.parseInt(token.slice(index + 1, index + 3), 16))
      index += 2
    } else bytes.push(token.charCodeAt(index))
  }
  return textOf.decode(Uint8Array.from(bytes))
}

/**
 * Returns the text of a token that a person wrote: it takes hexadecimal digits in lower case, escapes that are not needed,
 * and characters that should have been escaped. Returns `undefined` for a token that writes no text.
 */
export const readToken = (token: string): string | undefined => {
  try {
    return decodeURIComponent(token.replaceAll("%", "%25").replaceAll("=", "%"))
  } catch {
    return undefined
  }
}

/**
 * Returns the partition of a user: the FNV-1a hash of the user's token, modulo the number of partitions. The broker's own
 * `partition()` subject transform computes the same.
 */
export const partitionOf = (userToken: string, partitions: number): number => fnv1a(userToken) % partitions

/** Stands instead of a user token in the subject of a message with purchases of many users. No token begins like this. */
const manyUsers = "=many"

export const purchaseSubject = (partition: number, userToken: string): string => `purchases.${partition}.${userToken}`
export const groupSubject = (partition: number): string => `purchases.${partition}.${manyUsers}`
/** Returns the user's token in the subject of a stored message, or `undefined` for a group, which is of no one user. */
export const userTokenOfInput = (subject: string): string | undefined => {
  const token = subject.slice(subject.lastIndexOf(".") + 1)
  return token === manyUsers ? undefined : token
}
export const partitionFilter = (partition: number): string => `purchases.${partition}.*`

export const rejectedFilter = "rejected.*.*"
export const replayedKey = (inputSequence: number, index: number): string => `replayed.${inputSequence}.${index}`
export const rejectedKey = (inputSequence: number, index: number): string => `rejected.${inputSequence}.${index}`

/** In a message of the input log: where its sender wants to be told that its purchases are applied. */
export const noticeHeader = "Notice-To"
/** Before the name of an edge: what workers tell it without being asked. */
export const noticePrefix = "notice."

/** What a person asks with the nats CLI: `ledger.<account|total|history>.<user token>`. */
export const inspectionFilter = "ledger.*.*"
export const querySubject = (partition: number): string => `query.${partition}`

/** The stream of accounts of versions before the commit chain. Only the upgrade reads it. */
export const formerLedgerStream = "KV_ledger"
/** The bucket of the commit chains: `commit.<partition>` and `segment.<partition>`. */
export const journalStream = "KV_journal"
export const journalPrefix = "$KV.journal."
/** The bucket of the heads: where each account's newest revision is. */
export const headsStream = "KV_heads"
export const headsPrefix = "$KV.heads."

export const commitSubject = (partition: number): string => `${journalPrefix}commit.${partition}`
/** The commits of all partitions. */
export const commitFilter = `${journalPrefix}commit.*`
export const segmentSubject = (partition: number): string => `${journalPrefix}segment.${partition}`
/** A part of the heads of a partition: `manifest`, or a hint or a base with its number and chunk. */
export const headsSubject = (partition: number, part: string): string => `${headsPrefix}${partition}.${part}`
