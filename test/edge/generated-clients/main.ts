// Posts purchases with the generated client for TypeScript, and prints the values that it reads.
import { Configuration, PurchasesApi, RejectedApi, ResponseError, UsersApi } from "./client/index"

const [, , basePath = "", user = ""] = process.argv
const configuration = new Configuration({ basePath })
const users = new UsersApi(configuration)

const post = async (id: string, value: number, quantity: number, total: number, prefer: string): Promise<void> => {
  const purchase = { userId: user, purchaseId: id, productName: "Lamp", productType: "Office", value, quantity, total }
  const posted = await new PurchasesApi(configuration).postPurchase({ purchaseRequest: purchase, prefer })
  const receipt = await users.readReceipt({ id: user, purchaseId: id })
  const sequence: number = receipt.ledgerSequence
  const isSame = posted.value === value && receipt.value === value && receipt.total === total
  console.log(
    `${id} is ${posted.status}: ${receipt.value.toFixed(2)} x ${receipt.quantity} = ${receipt.total.toFixed(2)}, then ${receipt.runningTotal.toFixed(2)}; same ${isSame}; sequence ${sequence}`
  )
}

const main = async (): Promise<void> => {
  await post("small", 0.01, 1, 0.01, "wait=0")
  await post("large", 999999.99, 1, 999999.99, "wait=30")
  await post("largest", 1000000.0, 10000, 10000000000.0, "wait=30")
  const account = await users.readTotal({ id: user })
  const count: number = account.purchaseCount
  console.log(`total: ${account.total.toFixed(2)} of ${count}`)
  try {
    await new RejectedApi(configuration).readRejected({ inputSequence: 999999999999999, index: 499 })
  } catch (refused) {
    if (!(refused instanceof ResponseError)) throw refused
    console.log(`rejected: ${refused.response.status}`)
  }
}

void main()
