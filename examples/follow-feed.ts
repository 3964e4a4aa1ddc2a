// Prints the purchases of an account as they are applied, from the first purchase on, until the program is stopped.
import { PurchaseClient } from "../src/client/PurchaseClient.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const userId = process.argv[2] ?? "dora"

// Keep the id of the last event that was handled. A later run goes on after that event with `after: lastId`.
let lastId = "0"
for await (const event of client.feed({ userId, after: lastId })) {
  if (event.kind === "applied") {
    for (const { quantity, productName } of event.applied.purchases) {
      console.log(`${userId} bought ${quantity} × ${productName}; the total is ${event.applied.total}`)
    }
  } else {
    console.log(`The account has to be read anew: ${event.detail}`)
  }
  lastId = event.id
}
