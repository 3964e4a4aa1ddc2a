import { expect, it } from "vitest"
import type { ReadyState } from "../../src/client/Answers.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"
import { purchaseText, useService } from "../support/TestService.ts"

const environment = { JOURNAL_BYTES_MAX: String(1024 ** 2) }
const service = useService({ environment })

const storedMax = 25_000
const purchasesOfBody = 500

/** Purchases with long names, in bodies of lines, fill the journal soon. */
const linesOf = (first: number): string =>
  Array.from({ length: purchasesOfBody }, (_, index) =>
    purchaseText({ purchaseId: `p${first + index}`, productName: "x".repeat(200), quantity: 1 })
  ).join("\n")

/** Stores one body of purchases. Returns their number. */
const store = async (first: number): Promise<number> => {
  const answer = await service.post(linesOf(first), { "content-type": "application/x-ndjson" })
  expect(answer.status).toBe(200)
  return purchasesOfBody
}

const ready = async () => JSON.parse((await service.get("/readyz")).body) as ReadyState

it("a full journal loses no purchase: the edge says that nothing is applied, and all is applied after a larger bound", async () => {
  await until("the edge says that purchases are applied", async () => (await ready()).applying.ok)
  let stored = 0
  while ((await ready()).applying.ok && stored < storedMax) stored += await store(stored)
  await until("the edge says that the journal is full", async () => !(await ready()).applying.ok)
  expect(await ready()).toMatchObject({
    status: "storing-only",
    storing: { ok: true },
    applying: {
      ok: false,
      detail: expect.stringMatching(
        /^The journal is full, with [0-9]+ of 1048576 bytes, so no purchase is applied\. Stored purchases are kept\. /
      ) as unknown
    }
  })
  expect((await service.get("/readyz?applying=required")).status).toBe(503)
  // These purchases are too many for the room that is left in the journal.
  for (let body = 0; body < 5; body += 1) stored += await store(stored)
  // Without the setting, the setup leaves the bound of the journal as it is.
  await setUpStreams(testSettings({ NATS_URL: service.broker.url }))
  expect((await ready()).applying.ok).toBe(false)

  await setUpStreams(testSettings({ NATS_URL: service.broker.url, JOURNAL_BYTES_MAX: String(1024 ** 3) }))
  await until("the edge says that purchases are applied", async () => (await ready()).applying.ok)
  const total = async () => JSON.parse((await service.get("/users/ann/total")).body) as { purchaseCount: number }
  await until("all stored purchases are applied", async () => (await total()).purchaseCount === stored)
})
