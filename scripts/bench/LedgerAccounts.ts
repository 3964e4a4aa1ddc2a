import { revisionLinesOf } from "../../src/protocol/Commit.ts"
import { commitFilter, decodeToken, journalStream } from "../../src/protocol/Subject.ts"
import { withClient } from "./BrokerClient.ts"
import type { Total } from "./TotalBody.ts"

/** Reads the total of every account from its newest revision in the journal, without a worker. */
export const accountsOf = (brokerUrl: string): Promise<Map<string, Total>> =>
  withClient(brokerUrl, async (client) => {
    const accounts = new Map<string, Total>()
    const consumer = await client.jetstream().consumers.get(journalStream, {
      filterSubjects: commitFilter
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
