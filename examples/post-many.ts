// Sends many purchases through one request, and takes each answer as it comes.
import { PurchaseClient } from "../src/client/PurchaseClient.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const count = 1_000

/** Returns purchases whose ids are always the same, so that a second run of this program adds nothing. */
function* purchases() {
  for (let number = 1; number <= count; number += 1) {
    yield {
      purchaseId: `crate-${number}`,
      userId: `shop-${number % 10}`,
      productName: "Crate",
      productType: "Storage",
      value: 499n,
      quantity: 1
    }
  }
}

let stored = 0
for await (const { purchase, outcome } of client.postAll(purchases())) {
  if (outcome.status === "stored") stored += 1
  else console.error(`${purchase.purchaseId} is ${outcome.status}`)
}
console.log(`${stored} of ${count} purchases are stored`)
