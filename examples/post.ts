// Sends one purchase twice under one idempotency key, so that the purchase counts once.
import { PurchaseClient } from "../src/client/PurchaseClient.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const lamp = {
  purchaseId: "order-7",
  userId: "dora",
  productName: "Lamp",
  productType: "Office",
  value: "12.50",
  quantity: 2
}

await client.post(lamp)
// Sends the same purchase again, as after an answer that was lost, and waits until the purchase is applied.
const posted = await client.post(lamp, { waitSeconds: 10 })
const { total } = await client.total(lamp.userId)
console.log(`${posted.purchaseId} of ${posted.total} is ${posted.status}; the total is ${total}`)
