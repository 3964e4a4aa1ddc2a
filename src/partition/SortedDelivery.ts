import type { Delivered } from "../domain/Account.ts"
import { decodePurchases, encodePurchaseText, type Unreadable } from "../domain/PurchaseMessage.ts"
import { encodeToken, partitionOf } from "../domain/Subject.ts"
import type { Delivery } from "../nats/PartitionConsumer.ts"

/** The purchases of a message by user, and what of it cannot be applied. */
export const sortDelivery = (
  delivery: Pick<Delivery, "payload" | "sequence" | "storedAt">,
  { partition, partitions }: { readonly partition: number; readonly partitions: number }
) => {
  const decoded = decodePurchases(delivery.payload)
  const unreadable: Array<Unreadable> = [...decoded.unreadable]
  const byUser = new Map<string, Array<Delivered>>()
  const tokens = new Map<string, string>()
  for (const { index, purchase } of decoded.purchases) {
    let token = tokens.get(purchase.userId)
    if (token === undefined) {
      token = encodeToken(purchase.userId)
      tokens.set(purchase.userId, token)
    }
    const deliveries = byUser.get(token)
    const delivered = { purchase, inputSequence: delivery.sequence, inputIndex: index, storedAt: delivery.storedAt }
    if (deliveries !== undefined) deliveries.push(delivered)
    else if (partitionOf(token, partitions) === partition) byUser.set(token, [delivered])
    else {
      const reason = `user ${purchase.userId} belongs to partition ${partitionOf(token, partitions)}, not ${partition}`
      unreadable.push({ index, reason, payload: encodePurchaseText(purchase), encoding: "text" })
    }
  }
  return { byUser, unreadable }
}
