import { describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { answered, purchaseText, refusal, useService } from "../support/TestService.ts"

// The broker forgets message ids at once. Repeats thus get into the input log, and the account has to recognise them.
const service = useService({ environment: { DUPLICATE_WINDOW: "100 millis" } })

const wait = { prefer: "wait=20" }
const location = "/users/ann/purchases/p1"

/** Returns a receipt without its times. */
const receipt = async (path: string) => {
  const { status, body } = await service.get(path)
  return { status, body: body.replaceAll(/"(storedAt|appliedAt)":"[^"]*",/g, "") }
}
const content = '"userId":"ann","productName":"Lamp","productType":"Office","value":12.50,"quantity":2,"total":25.00'
const appliedBody = `{"purchaseId":"p1",${content},"status":"applied","runningTotal":25.00,"currency":"USD"}`
const receiptOf = (repeats: number, conflicts: number) => ({
  status: 200,
  body: expect.stringMatching(
    new RegExp(
      `^\\{"number":1,${appliedBody.slice(1, -1)},"inputSequence":1,"ledgerSequence":[0-9]+,"repeatsDropped":${repeats},"conflictsRejected":${conflicts},"reversed":0,"left":2,"reversals":\\[\\]\\}$`
    )
  )
})

describe("a purchase that comes again after the broker's duplicate window", () => {
  it("after the broker's duplicate window, the account drops and counts a repeat, and the answer is the same", async () => {
    const text = purchaseText({ purchaseId: "p1" })
    const first = answered(201, appliedBody, { location, "preference-applied": "wait=20" })
    expect(await service.post(text, wait)).toEqual(first)
    expect(await receipt(location)).toEqual(receiptOf(0, 0))
    await until("a repeat gets past the broker", async () => {
      expect(await service.post(text, wait)).toEqual({
        ...first,
        headers: { ...first.headers, "idempotent-replayed": "true" }
      })
      return (await service.get(location)).body.includes('"repeatsDropped":1')
    })
    expect(await receipt(location)).toEqual(receiptOf(1, 0))
    expect((await service.get("/total/ann")).body).toBe('{"userId":"ann","totalDebt":25.00,"currency":"USD"}')
  })
})

describe("the same id with another content", () => {
  const conflict = refusal(
    "conflicting-purchase",
    "The purchaseId p1 of user ann was used before for 2 × Lamp at 12.50. Nothing was applied; use a new id for a new purchase.",
    "/purchases",
    { location }
  )
  const rejectedRecords = async () => {
    const manager = await service.client.jetstreamManager()
    const info = await manager.streams.info("KV_journal", { subjects_filter: "$KV.journal.rejected.>" })
    return Promise.all(
      Object.keys(info.state.subjects ?? {}).map(async (subject) => {
        const message = await manager.streams.getMessage("KV_journal", { last_by_subj: subject })
        return { subject, record: message.json<Record<string, unknown>>() }
      })
    )
  }

  it.each([
    ["value", { value: 12.51 }],
    ["quantity", { quantity: 3 }],
    ["productName", { productName: "Lamp " }],
    ["productType", { productType: "office" }]
  ])("an id with another content is refused with Prefer: wait when the %s differs", async (_name, other) => {
    expect(await service.post(purchaseText({ purchaseId: "p1", ...other }), wait)).toEqual(conflict)
  })

  it("an id with another content leaves the total, and is reported in a receipt and a rejected record", async () => {
    const before = await rejectedRecords()
    expect(before).toHaveLength(4)
    const other = await service.post(purchaseText({ purchaseId: "p1", value: 99 }))
    expect(other).toEqual(
      answered(
        202,
        '{"purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","value":99.00,"quantity":2,"total":198.00,"status":"stored"}',
        { location }
      )
    )
    expect(await receipt(location)).toEqual(receiptOf(1, 5))
    expect((await service.get("/total/ann")).body).toBe('{"userId":"ann","totalDebt":25.00,"currency":"USD"}')

    const known = new Set(before.map(({ subject }) => subject))
    const added = (await rejectedRecords()).filter(({ subject }) => !known.has(subject))
    const manager = await service.client.jetstreamManager()
    const { state } = await manager.streams.info("PURCHASES")
    expect(added).toEqual([
      {
        subject: `$KV.journal.rejected.${state.last_seq}.0`,
        record: {
          version: 1,
          inputSequence: state.last_seq,
          index: 0,
          reason: expect.any(String),
          payload:
            '{"purchaseId":"p1","userId":"ann","productName":"Lamp","productType":"Office","valueCents":9900,"quantity":2}',
          encoding: "text"
        }
      }
    ])
  })

  it("an id with another content does not keep other purchases from being applied", async () => {
    const { status, body } = await service.post(purchaseText({ purchaseId: "p2" }), wait)
    expect(status).toBe(201)
    expect(body).toContain('"runningTotal":50.00')
  })
})
