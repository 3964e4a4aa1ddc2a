import { expect, it } from "vitest"
import { purchasesAt, startAnswering } from "./Cli.ts"

it("a user whom the service calls unknown is shown as never seen, and --json prints `known`", async () => {
  const account = { userId: "bob", total: 0, currency: "USD", purchaseCount: 0, reversalCount: 0, known: false }
  const service = await startAnswering((_request, response) => response.end(JSON.stringify(account)))
  expect((await purchasesAt(service.url, "total", "bob")).out).toBe(
    "bob was never seen: no purchase of this user was ever applied.\n"
  )
  expect(JSON.parse((await purchasesAt(service.url, "--json", "total", "bob")).out)).toEqual({ ...account, total: "0" })
  await service.stop()
})
