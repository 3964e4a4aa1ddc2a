// Reads the total of a user, and the newest purchases.
import { PurchaseClient } from "../src/client/PurchaseClient.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const userId = process.argv[2] ?? "dora"

const account = await client.total(userId)
console.log(`${userId} has bought for ${account.total} ${account.currency} in ${account.purchaseCount} purchases`)
const { purchases } = await client.historyPage(userId, { limit: 5 })
for (const { number, storedAt, quantity, productName, runningTotal } of purchases) {
  console.log(`${number}  ${storedAt}  ${quantity} × ${productName}  running total ${runningTotal}`)
}
