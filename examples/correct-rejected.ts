// Sends a corrected purchase for a rejected record, which is named as in `scripts/purchases rejected list`: 7/0.
import { PurchaseClient } from "../src/client/PurchaseClient.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const record = process.argv[2] ?? ""
const [inputSequence, index] = record.split("/").map(Number)
if (inputSequence === undefined || index === undefined) {
  console.error("usage: npx node examples/correct-rejected.ts 7/0")
  process.exit(2)
}

const { reason, payload } = await client.rejectedRecord({ inputSequence, index })
console.log(`${record} was rejected (${reason}): ${payload}`)
// Sending the same replay again is safe: the first replay decides the content, and the purchase counts once.
const corrected = { userId: "gus", productName: "Lamp", productType: "Office", value: "10.50", quantity: 2 }
const { replay } = await client.replayRejected({ inputSequence, index }, corrected)
console.log(`${record} is ${replay}`)
