import { decimalOf } from "../../src/client/Amount.ts"
import { type Demonstration, expectExact } from "./Demonstration.ts"

const generated = 1_000
const shown = 3
const duplicates = 500

export const showGenerated = async (demonstration: Demonstration): Promise<void> => {
  const { client, report, newUser } = demonstration
  const user = newUser("ann")
  report.title(`${generated} random purchases of ${user}: GET /generate/${generated}/${user}`)
  const answer = await client.generate(generated, user)
  report.say(JSON.stringify(answer))
  report.expect("generated", answer.purchasesGenerated, generated)
  const { entries } = await expectExact(demonstration, user, generated)

  report.title(`The newest of them: GET /users/${user}/purchases?limit=${shown}`)
  const page = await client.historyPage(user, { limit: shown })
  for (const { purchaseId, quantity, productName, value, total } of page.purchases) {
    report.say(`${purchaseId}  ${quantity} x ${productName} at ${value} = ${total}`)
  }
  report.expect("purchaseCount", page.purchaseCount, generated)
  const newest = page.purchases.map(({ purchaseId }) => purchaseId)
  const last = entries.slice(-shown).map(({ purchaseId }) => purchaseId)
  report.holds("they are the last of the whole history, the newest first", newest.join() === last.toReversed().join())
}

export const showDuplicates = async (demonstration: Demonstration): Promise<void> => {
  const { client, report, newUser } = demonstration
  const user = newUser("bob")
  report.title(`One purchase of 2 x 50.00 sent ${duplicates} times: GET /duplicate/${duplicates}/${user}`)
  const answer = await client.duplicate(duplicates, user)
  report.say(JSON.stringify(answer))
  report.expect("sent", answer.duplicatesSent, duplicates)
  const { cents } = await expectExact(demonstration, user, 1)
  report.expect("it counts once", decimalOf(cents), "100.00")
}

export const showRepeat = async (demonstration: Demonstration): Promise<void> => {
  const { client, report, newUser } = demonstration
  const userId = newUser("erin")
  const lamp = { purchaseId: "lamp", userId, productName: "Lamp", productType: "Office", value: "0.10", quantity: 3 }
  const phone = { ...lamp, purchaseId: "phone", productName: "Phone", value: "999.99", quantity: 1 }
  const desk = { ...lamp, purchaseId: "desk", productName: "Desk", value: "70.35", quantity: 7 }
  const post = (purchase: typeof lamp) => client.post(purchase, { waitSeconds: 10 })

  report.title("Three known purchases, and one of them twice: POST /purchases")
  const first = await post(lamp)
  await post(phone)
  const last = await post(desk)
  const sum = last.status === "applied" ? last.runningTotal : last.status
  report.expect("3 x 0.10 + 1 x 999.99 + 7 x 70.35", sum, "1492.74")
  await expectExact(demonstration, userId, 3)

  const { repeat = false, ...again } = await post(lamp)
  report.say(`again: ${JSON.stringify(again)}`)
  report.expect("the first again, Idempotent-Replayed", repeat, true)
  report.holds("the answer is the same as the first time", JSON.stringify(again) === JSON.stringify(first))
  const { cents } = await expectExact(demonstration, userId, 3)
  report.expect("it counts once", decimalOf(cents), "1492.74")
}
