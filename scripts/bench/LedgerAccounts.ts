import { DeliverPolicy } from "nats"
import { revisionLinesOf } from "../../src/domain/Commit.ts"
import {
  accountKey,
  decodeToken,
  journalPrefix,
  journalStream,
  ledgerPrefix,
  ledgerStream
} from "../../src/domain/Subject.ts"
import { withClient } from "./BrokerClient.ts"
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

/** The same from the commit chains: the newest revision of each account. */
export const accountsOfChain = (brokerUrl: string): Promise<Map<string, Total>> =>
  withClient(brokerUrl, async (client) => {
    const accounts = new Map<string, Total>()
    const consumer = await client.jetstream().consumers.get(journalStream, {
      filterSubjects: `${journalPrefix}commit.*`
    })
    if ((await consumer.info()).num_pending === 0) return accounts
    for await (const message of await consumer.consume()) {
      for (const line of revisionLinesOf(message.string())) {
        const [token, cents, count]: [string, string, number] = JSON.parse(line)
        accounts.set(decodeToken(token), { count, cents: BigInt(cents) })
      }
      if (message.info.pending === 0) break
    }
    return accounts
  })
