// The checkout of a web shop. The checkout books each line of a cart once, however often the customer presses the
// button.
import { ClientFailure, PurchaseClient } from "../src/client/index.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
// A call sends its request again after 429, 502, 503 and 504, and after no answer, until the customer has waited enough.
const client = new PurchaseClient({
  url,
  timeoutMilliseconds: 20_000,
  attemptsMax: Number.POSITIVE_INFINITY,
  ...(token === undefined ? {} : { token })
})

const cart = {
  id: process.argv[2] ?? "cart-17",
  userId: "hana",
  lines: [
    { productName: "Lamp", productType: "Office", value: "12.50", quantity: 2 },
    { productName: "Desk", productType: "Office", value: "249.99", quantity: 1 }
  ]
}

/** Books a line of the cart, and returns what the customer reads. Sets the exit code if the line is not booked. */
const book = async (line: (typeof cart.lines)[number], index: number): Promise<string> => {
  // The id of the purchase follows from the cart, and not from the attempt, so a line that comes again counts once.
  const purchaseId = `${cart.id}-${index + 1}`
  try {
    const { status, total } = await client.post({ purchaseId, userId: cart.userId, ...line }, { waitSeconds: 5 })
    // A purchase that is `stored` is as safe as one that is `applied`: the total has the purchase a little later.
    return `${line.productName}: ${total} is ${status}`
  } catch (failure) {
    if (!(failure instanceof ClientFailure)) throw failure
    const isOpen = failure.unanswered.length > 0
    process.exitCode = isOpen ? 3 : 1
    return isOpen
      ? `${line.productName}: not known yet. Press the button again; nothing is booked twice.`
      : `${line.productName}: refused. ${failure.message}`
  }
}

for (const text of await Promise.all(cart.lines.map(book))) console.log(text)
if (process.exitCode === undefined) {
  const { total } = await client.total(cart.userId)
  console.log(`Thank you. ${cart.userId} has bought for ${total} in all.`)
}
