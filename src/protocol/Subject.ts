import { fnv1a } from "../account/TextHash.ts"

/** The stream of the input log. */
export const inputStream = "PURCHASES"

const plainToken = /^[A-Za-z0-9_-]+$/
const bytesOf = new TextEncoder()
const textOf = new TextDecoder("utf-8", { fatal: true })

/**
 * Writes an id as one subject token, which is also a part of a KV key. Each UTF-8 byte outside of A-Z a-z 0-9 _ -
 * becomes =HH. The token is reversible, and holds no wildcard and no separator.
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

/** Returns the id that {@link encodeToken} wrote as this token. Throws a TypeError if the bytes are not UTF-8. */
export const decodeToken = (token: string): string => {
  if (!token.includes("=")) return token
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
 * Decodes a token that a person wrote. The function accepts hexadecimal digits in lower case, needless escapes, and
 * characters that should have been escaped. Returns `undefined` if the escapes are malformed or not UTF-8.
 */
export const readToken = (token: string): string | undefined => {
  try {
    return decodeURIComponent(token.replaceAll("%", "%25").replaceAll("=", "%"))
  } catch {
    return undefined
  }
}

/**
 * Returns the partition of a user: the FNV-1a hash of the user's token, modulo the number of partitions. The broker's
 * own `partition()` subject transform computes the same partition.
 */
export const partitionOf = (userToken: string, partitions: number): number => fnv1a(userToken) % partitions

/**
 * Stands for the user token in the subject of a message with purchases of many users. No user token begins with
 * `=many`.
 */
const manyUsers = "=many"

/** Returns the subject of a message with purchases of one user. */
export const purchaseSubject = (partition: number, userToken: string): string => `purchases.${partition}.${userToken}`
/** Returns the subject of a message with purchases of many users of a partition. */
export const groupSubject = (partition: number): string => `purchases.${partition}.${manyUsers}`
/**
 * Returns the user token in the subject of a stored message; `undefined` if the message has purchases of many users.
 */
export const userTokenOfInput = (subject: string): string | undefined => {
  const token = subject.slice(subject.lastIndexOf(".") + 1)
  return token === manyUsers ? undefined : token
}
/** Returns the filter of all messages of a partition. */
export const partitionFilter = (partition: number): string => `purchases.${partition}.*`

/** The filter of all rejected records. */
export const rejectedFilter = "rejected.*.*"
/** Returns the key of the replay of a rejected record. The history of the key has the steps of the replay. */
export const replayedKey = (inputSequence: number, index: number): string => `replayed.${inputSequence}.${index}`
/** Returns the key of a rejected record. */
export const rejectedKey = (inputSequence: number, index: number): string => `rejected.${inputSequence}.${index}`

/** The header of an input message with the notice address of its sender. */
export const noticeHeader = "Notice-To"
/**
 * The header of an input message with the traces of its requests, by W3C Trace Context. The header comes once for each
 * traced request.
 */
export const traceHeader = "traceparent"
/** The most traces that a message carries. Above this number, the requests of a message are traced at the edge only. */
export const tracesOfMessageMax = 4
/** The prefix of the subject on which an edge gets notices. The name of the edge follows the prefix. */
export const noticePrefix = "notice."

/** The filter of the questions that people send with the nats CLI: `ledger.<account|total|history>.<user token>`. */
export const inspectionFilter = "ledger.*.*"
/** Returns the subject on which the owner of a partition answers edges. */
export const querySubject = (partition: number): string => `query.${partition}`

/**
 * The stream of accounts that versions before the commit chain wrote. Only the upgrade reads the stream `KV_ledger`.
 */
export const formerLedgerStream = "KV_ledger"
/**
 * The stream of the journal: `commit.<partition>`, `segment.<partition>`, `rules.<user token>`, and the rejected
 * records.
 */
export const journalStream = "KV_journal"
export const journalPrefix = "$KV.journal."
/** The stream of the heads. */
export const headsStream = "KV_heads"
export const headsPrefix = "$KV.heads."

/** The stream of audit records: who asked for which change. */
export const auditStream = "AUDIT"
export const auditPrefix = "audit."

/** The stream of the tokens of callers. */
export const tokensStream = "KV_tokens"
export const tokensPrefix = "$KV.tokens."

/** The stream of the workers' signs of life. */
export const workersStream = "KV_workers"
export const workersPrefix = "$KV.workers."

/** The prefix of the subject of a chain. The number of the partition follows the prefix. */
export const commitPrefix = `${journalPrefix}commit.`
/** Returns the subject of the chain of a partition. */
export const commitSubject = (partition: number): string => commitPrefix + partition
/** The filter of the commits of all partitions. */
export const commitFilter = `${commitPrefix}*`
/** Returns the subject of the segments of a partition. */
export const segmentSubject = (partition: number): string => `${journalPrefix}segment.${partition}`
/**
 * Returns the subject of a part of the heads of a partition. The `part` is `manifest`, or names a chunk of a hint or a
 * base.
 */
export const headsSubject = (partition: number, part: string): string => `${headsPrefix}${partition}.${part}`

/** The prefix of the subject of a user's rules. The token of the user follows the prefix. */
export const rulesPrefix = `${journalPrefix}rules.`
/** The filter of the rules of all users. */
export const rulesFilter = `${rulesPrefix}*`
/**
 * Returns the subject of the rules of a user. The rules of a user are in the journal, which gives rules and commits one
 * order.
 */
export const rulesSubject = (ownerToken: string): string => rulesPrefix + ownerToken

/** The stream of the alerts, with the positions of the judges and the state of webhooks. */
export const alertsStream = "KV_alerts"
export const alertsPrefix = "$KV.alerts."
/** Returns the subject of the alerts of a user. */
export const alertSubject = (ownerToken: string): string => `${alertsPrefix}alert.${ownerToken}`
/** The filter of the alerts of all users. */
export const alertFilter = `${alertsPrefix}alert.*`
/** Returns the subject of the position of a shard. */
export const alertPositionSubject = (shard: number): string => `${alertsPrefix}position.${shard}`
/** Returns the subject of the webhook of a user: its target and its secrets. */
export const webhookSubject = (ownerToken: string): string => `${alertsPrefix}webhook.${ownerToken}`
/** The filter of the webhooks of all users. */
export const webhookFilter = `${alertsPrefix}webhook.*`
/** Returns the subject of the cursor of a user's webhook. */
export const deliveredSubject = (ownerToken: string): string => `${alertsPrefix}delivered.${ownerToken}`
/** The subject of the newest alert that was removed because of its age. */
export const alertsRemovedSubject = `${alertsPrefix}removed`
/** Returns the subject of the alerts that a user's webhook refused. */
export const deadSubject = (ownerToken: string): string => `${alertsPrefix}dead.${ownerToken}`

/**
 * The prefix of the subject of a judge's signs of life, which no stream keeps. The token of the judge follows the
 * prefix.
 */
export const judgeSignPrefix = "judge."
/**
 * The prefix of the subject on which a judge tells the number of rules that are switched on. No stream keeps the
 * messages with the number of rules. The token of the judge follows the prefix.
 */
export const ruleCountPrefix = "judge-rules."

/**
 * The prefix of the subject on which a judge is asked for one delivery at once. The token of the user follows the
 * prefix.
 */
const sendPrefix = "webhook.send."
/** The filter of the deliveries that edges ask for. */
export const sendFilter = `${sendPrefix}*`
/** Returns the subject on which edges ask for one delivery to the webhook of a user. */
export const sendSubject = (ownerToken: string): string => sendPrefix + ownerToken
