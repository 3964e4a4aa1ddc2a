import { createInbox, type Msg, type NatsConnection } from "nats"
import { inputStream, noticeHeader, partitionFilter } from "../../../src/protocol/Subject.ts"
import { readAckSubject } from "../../../src/nats/client/AckSubject.ts"
import type { FloorPurchase } from "./FloorAccount.ts"
import { fail } from "./Protocol.ts"

export interface FloorDelivery {
  readonly purchases: ReadonlyArray<FloorPurchase>
  readonly sequence: number
  readonly storedAt: number
  readonly acknowledgeSubject: string
  readonly noticeTo: string
}

const deliveryOf = (message: Msg): FloorDelivery => {
  const { sequence, storedAt } = readAckSubject(message.reply ?? "")
  return {
    purchases: message.json<{ readonly purchases: ReadonlyArray<FloorPurchase> }>().purchases,
    sequence,
    storedAt,
    acknowledgeSubject: message.reply ?? "",
    noticeTo: message.headers?.get(noticeHeader) ?? ""
  }
}

/**
 * Makes the consumer of an epoch, and passes on all deliveries from the beginning of the input log. Pulls
 * `pullMessages` messages at once, and holds at most twice as many unacknowledged messages.
 */
export const pullPartition = async (
  client: NatsConnection,
  partition: number,
  epoch: number,
  delivered: (delivery: FloorDelivery) => void,
  pullMessages: number
): Promise<void> => {
  const name = `p${partition}-${epoch}`
  const filter = partitionFilter(partition)
  const config = { name, durable_name: name, filter_subject: filter, ack_policy: "explicit", mem_storage: true }
  const created = await client.request(
    `$JS.API.CONSUMER.CREATE.${inputStream}.${name}.${filter}`,
    JSON.stringify({ stream_name: inputStream, config: { ...config, max_ack_pending: 2 * pullMessages } })
  )
  const { error } = created.json<{ readonly error?: { readonly description: string } }>()
  if (error !== undefined) throw new Error(error.description)
  const inbox = createInbox()
  let open = 0
  const pull = () => {
    open += pullMessages
    const body = JSON.stringify({ batch: pullMessages, expires: 600e9 })
    client.publish(`$JS.API.CONSUMER.MSG.NEXT.${inputStream}.${name}`, body, { reply: inbox })
  }
  client.subscribe(inbox, {
    callback: (_error, message) => {
      if (!message.reply?.startsWith("$JS.ACK.")) fail(`the pull ended: ${message.headers?.description}`)
      open -= 1
      if (open < pullMessages) pull()
      delivered(deliveryOf(message))
    }
  })
  pull()
}
