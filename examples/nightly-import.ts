// Stores the orders of a CSV file, like a file that another system writes each night. A file that comes twice counts
// once.
import { createReadStream } from "node:fs"
import { parse } from "csv-parse"
import { centsOf, PurchaseClient } from "../src/client/index.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

interface Order {
  readonly order: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly price: string
  readonly quantity: string
}

const file = process.argv[2] ?? "examples/orders.csv"
let stored = 0
let refused = 0
const refuse = (order: string, reason: string): void => {
  refused += 1
  console.error(`${order} is refused: ${reason}`)
}

/**
 * Yields the purchases of the file. The client takes purchases no faster than they are answered, so a file of any size
 * fits.
 */
async function* purchases() {
  const orders = createReadStream(file).pipe(parse({ columns: true, bom: true, skip_empty_lines: true }))
  for await (const { order, price, quantity, ...rest } of orders as AsyncIterable<Order>) {
    try {
      // A price is a text until it is integer cents, and never a float.
      yield { purchaseId: order, ...rest, value: centsOf(price), quantity: Number(quantity) }
    } catch (failure) {
      refuse(order, (failure as Error).message)
    }
  }
}

for await (const { purchase, outcome } of client.postAll(purchases())) {
  if ("problem" in outcome) refuse(purchase.purchaseId, outcome.problem.detail)
  else stored += 1
}
console.log(`${stored} of ${stored + refused} orders of ${file} are stored`)
if (refused > 0) process.exitCode = 1
