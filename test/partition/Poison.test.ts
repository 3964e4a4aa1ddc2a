import { beforeAll, describe, expect, it } from "vitest"
import { encodeToken } from "../../src/protocol/Subject.ts"
import { mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { TestSystem, userIn } from "../../src/harness/system/TestSystem.ts"

const partitions = 4
const user = userIn(1, partitions, "poisoned")
const stranger = userIn(2, partitions, "stranger")
const neighbour = userIn(1, partitions, "neighbour")
const message = (purchase: unknown) => JSON.stringify({ version: 1, purchases: [purchase] })
const notUtf8 = Uint8Array.from([0x7b, 0xff, 0xfe, 0x7d])

const poisons: ReadonlyArray<readonly [string, string | Uint8Array]> = [
  ["no JSON", "{"],
  ["an empty message", ""],
  ["JSON of another shape", `{"hello":"world"}`],
  ["a list", "[1,2]"],
  ["another version", JSON.stringify({ version: 2, purchases: [sold(user, "v2")] })],
  ["an empty list of purchases", `{"version":1,"purchases":[]}`],
  ["501 purchases", inputMessage(Array.from({ length: 501 }, (_, index) => sold(user, `many${index}`)))],
  ["no UTF-8", notUtf8]
]

const badPurchases: ReadonlyArray<readonly [string, unknown]> = [
  ["a negative value", sold(user, "negative", { valueCents: -5 })],
  ["a quantity of 0", sold(user, "none", { quantity: 0 })],
  ["a fraction of a cent", sold(user, "fraction", { valueCents: 10.5 })],
  ["a missing field", { purchaseId: "missing", userId: user }],
  ["null", null],
  ["an id with a control character", sold(user, "bad\u0000id")],
  ["a purchase id with a blank at its end", sold(user, "blank ")],
  ["a user id with a blank at its end", sold(`${user} `, "blank")],
  ["a product that is a blank", sold(user, "nothing", { productName: " " })],
  ["a user of another partition", sold(stranger, "elsewhere")],
  ["another user of the same partition", sold(neighbour, "next door")]
]

describe("Input that cannot be applied", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: String(partitions) }))

  beforeAll(async () => {
    await system.startWorker()
  })

  const publish = (payload: string | Uint8Array) => system.admin.publish(`purchases.1.${user}`, payload)

  /** Returns the payloads in the records of one message. */
  const recordsOf = async (sequence: number) => {
    await system.admin.untilApplied()
    const keys = await system.admin.keys(`rejected.${sequence}.>`)
    expect(Object.values(keys).every((count) => count === 1)).toBe(true)
    return Promise.all(Object.keys(keys).map(async (key) => ({ key, ...(await system.admin.value(key)) })))
  }

  it.each(poisons)(
    "a message that is %s leaves one rejected record, and the partition goes on",
    async (name, payload) => {
      const sequence = await publish(payload)
      const next = sold(user, `after ${name}`)
      expect((await post(system.ask, next, { prefer: "wait=20" })).status).toBe(201)
      const records = await recordsOf(sequence)
      expect(records).toMatchObject([{ key: `rejected.${sequence}.0`, inputSequence: sequence, index: 0 }])
      const [{ encoding, payload: kept }] = records as [{ encoding: BufferEncoding | "text"; payload: string }]
      expect(Buffer.from(kept, encoding === "text" ? "utf8" : encoding)).toEqual(Buffer.from(payload))
    }
  )

  it("one bad purchase of a message leaves the other purchases applied", async () => {
    const good = sold(user, "good")
    const also = sold(user, "also good")
    const all = [good, ...badPurchases.map(([, bad]) => bad), also]
    const sequence = await publish(JSON.stringify({ version: 1, purchases: all }))
    const records = await recordsOf(sequence)
    expect(records.map(({ key }) => key).toSorted()).toEqual(
      badPurchases.map((_, index) => `rejected.${sequence}.${index + 1}`).toSorted()
    )
    for (const { index, payload } of records) expect(JSON.parse(payload)).toEqual(all[index])
    const { entries } = await readAccount(system.ask, user)
    expect(entries.slice(-2).map(({ purchaseId }) => purchaseId)).toEqual(["good", "also good"])
  })

  it.each(badPurchases)("a message with only %s leaves one rejected record", async (_name, bad) => {
    const sequence = await publish(message(bad))
    const records = await recordsOf(sequence)
    expect(records).toMatchObject([{ key: `rejected.${sequence}.0`, encoding: "text" }])
    expect(JSON.parse(records[0]?.payload)).toEqual(bad)
  })

  it.each([
    ["another partition", stranger],
    ["the same partition", neighbour]
  ])("a purchase of a user of %s in another user's message is rejected; the id stays free", async (_where, other) => {
    const sale = sold(other, "mine")
    const sequence = await publish(message(sale))
    const [record] = await recordsOf(sequence)
    expect(record?.reason).toBe(`sent for user ${user}, but it is a purchase of user ${other}`)
    expect((await readAccount(system.ask, other)).count).toBe(0)
    expect((await post(system.ask, sale, { prefer: "wait=20" })).status).toBe(201)
    expect(mistakesAfter(await readAccount(system.ask, other), [sale])).toEqual([])
  })

  it.each(["=61nn", "ann@x", "cafe=CC=81", "\u00e9"])(
    "a message for a user written as %s is rejected, whatever partition it falls into",
    async (token) => {
      const spelled = { "=61nn": "ann", "ann@x": "ann@x", "cafe=CC=81": "caf\u00e9", "\u00e9": "\u00e9" }[token] ?? ""
      const sale = sold(spelled, `spelled ${token}`)
      const throughTransform = await system.admin.publish(`purchases.${token}`, message(sale))
      const toItsPartition = await system.admin.publish(
        `purchases.${system.partitionOf(spelled)}.${token}`,
        message(sale)
      )
      const reason = `sent for user ${spelled} written as "${token}": write it as "${encodeToken(spelled)}"`
      for (const sequence of [throughTransform, toItsPartition]) {
        expect(await recordsOf(sequence)).toMatchObject([{ reason, payload: JSON.stringify(sale) }])
      }
      expect((await readAccount(system.ask, spelled)).count).toBe(0)
      const wellSpelled = await system.admin.publish(`purchases.${encodeToken(spelled)}`, message(sale))
      expect(await recordsOf(wellSpelled)).toEqual([])
      expect(mistakesAfter(await readAccount(system.ask, spelled), [sale])).toEqual([])
    }
  )

  it("a message that is published as purchases.<user> goes to the user's partition", async () => {
    const sale = sold(stranger, "by hand")
    await system.admin.publish(`purchases.${stranger}`, inputMessage([sale]))
    await system.admin.untilApplied()
    expect((await readAccount(system.ask, stranger)).entries.at(-1)).toMatchObject(sale)
  })
})
