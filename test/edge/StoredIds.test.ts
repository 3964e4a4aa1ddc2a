import { Context, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { QueryClient } from "../../src/asking/QueryClient.ts"
import { commitByHand } from "../support/CommitByHand.ts"
import { purchaseText, useService } from "../support/TestService.ts"

const service = useService()

/**
 * Writes the first revision of an account, with one purchase of 1.00, as a version with other rules for ids wrote it.
 */
const writeAccount = async (userId: string, purchaseId: string, productName: string) => {
  const revision = {
    total: 100n,
    count: 1,
    decidedThrough: 0,
    purchases: [
      {
        purchaseId,
        productName,
        productType: "Office",
        valueCents: 100n,
        quantity: 1,
        inputSequence: 1,
        inputIndex: 0,
        storedAt: 0
      }
    ],
    reversals: 0,
    repeats: new Map(),
    previous: [],
    unsealed: 1,
    segment: 0
  }
  await commitByHand(service.client, service.settings.partitions, [{ userId, revision }])
}

describe("a stored purchase whose texts the rules of today refuse", () => {
  it("a stored purchase whose texts are refused today stays in history and total, and the next is applied", async () => {
    await writeAccount("elder", "p0 ", " ")
    const posted = await service.post(purchaseText({ userId: "elder", purchaseId: "p1" }), { prefer: "wait=20" })
    expect(posted.body).toContain('"runningTotal":26.00')
    const history = JSON.parse((await service.get("/users/elder/purchases")).body) as { purchases: unknown }
    expect(history.purchases).toMatchObject([{ purchaseId: "p1" }, { purchaseId: "p0 ", productName: " " }])
  })

  it("a stored purchase whose texts are refused today is answered by the owner of its account", async () => {
    await writeAccount("older ", "p0", "Lamp")
    const client = Context.get(service.edge.services, QueryClient)
    const options = { consistency: "strong", waitMilliseconds: 20_000 } as const
    const answer = await Effect.runPromise(client.ask({ kind: "total", userId: "older " }, options))
    expect(answer).toMatchObject({ total: 100n, count: 1 })
  })
})
