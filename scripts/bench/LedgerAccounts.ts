import { DeliverPolicy } from "nats"
import { accountKey, decodeToken, ledgerPrefix, ledgerStream } from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import { shelfPrefix } from "./floor/Shelves.ts"
import type { Total } from "./TotalBody.ts"

const prefix = ledgerPrefix + accountKey("")
const amounts = /"total":"(-?[0-9]+)","count":([0-9]+)[,}]/

/** The total of every account as its newest revision in the bucket has it, without a worker's help. */
export const accountsOf = (brokerUrl: string): Promise<Map<string, Total>> =>
  withClient(brokerUrl, async (client) => {
    const accounts = new Map<string, Total>()
    const consumer = await client.jetstream().consumers.get(ledgerStream, {
      filterSubjects: `${prefix}>`,
      deliver_policy: DeliverPolicy.LastPerSubject
    })
    if ((await consumer.info()).num_pending === 0) return accounts
    for await (const message of await consumer.consume()) {
      const found = amounts.exec(message.string())
      if (found === null) throw new Error(`${message.subject} holds no revision: ${message.string().slice(0, 200)}`)
      accounts.set(decodeToken(message.subject.slice(prefix.length)), {
        count: Number(found[2]),
        cents: BigInt(found[1] ?? "")
      })
      if (message.info.pending === 0) break
    }
    return accounts
  })

/** The same where accounts stand on shelves: the newest that any message of theirs says of each. */
export const accountsOnShelves = (brokerUrl: string): Promise<Map<string, Total>> =>
  withClient(brokerUrl, async (client) => {
    const accounts = new Map<string, Total>()
    const consumer = await client.jetstream().consumers.get(ledgerStream, {
      filterSubjects: `${ledgerPrefix}${shelfPrefix}>`
    })
    for await (const message of await consumer.consume()) {
      const { revisions } = message.json<{ revisions: Record<string, { total: string; count: number }> }>()
      for (const [userId, { total, count }] of Object.entries(revisions)) {
        accounts.set(userId, { count, cents: BigInt(total) })
      }
      if (message.info.pending === 0) break
    }
    return accounts
  })
