import { describe, expect, it } from "vitest"
import { inputMessages, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService({ environment: { INPUT_BYTES_MAX: String(1024 ** 2), JANITOR_INTERVAL: "1 hour" } })

const retry = { "retry-after": "1" }
const full = "could not store purchases: the broker refused (its store is full)"

describe("a broker that takes no more messages", () => {
  it.each(["/generate/20000/filler", "/duplicate/20000/filler"])(
    "a broker that becomes full ends %s, and the answer says how many purchases are stored",
    async (path) => {
      const stored = async () => (await inputMessages(service.client)).flatMap(({ purchases }) => purchases).length
      const before = await stored()
      const answer = await service.get(path)
      const after = await stored()
      expect(after).toBeLessThan(20_000)
      expect(answer).toEqual(
        refusal("unavailable", `${after - before} purchases were stored before this failed: ${full}.`, path, retry)
      )
    }
  )

  it("while the broker is full, a purchase gets 503 with Retry-After, and reads go on", async () => {
    const large = purchaseText({ purchaseId: "late", productName: "\u{1f6d2}".repeat(200) })
    for (;;) {
      const answer = await service.post(large.replace("late", `late${crypto.randomUUID()}`))
      if (answer.status === 202) continue
      expect(answer).toEqual(
        refusal(
          "unavailable",
          `${full.replace("could", "Could")}. Nothing was changed; try again.`,
          "/purchases",
          retry
        )
      )
      break
    }
    const { status, body } = await service.get("/users/filler/total")
    expect(status).toBe(200)
    const counted = (await inputMessages(service.client))
      .flatMap(({ purchases }) => purchases)
      .filter(({ userId }) => userId === "filler")
    expect(body).toContain(
      `"purchaseCount":${new Set(counted.map(({ purchaseId }) => purchaseId)).size},"reversalCount":0,"known":true}`
    )
  })

  it("the edge reports that nothing is stored if a broker answers and takes no more messages", async () => {
    const small = () => service.post(purchaseText({ purchaseId: crypto.randomUUID() }))
    while ((await small()).status === 202);
    const { status, body } = await service.get("/readyz")
    expect(status).toBe(503)
    expect((JSON.parse(body) as { detail: string }).detail).toMatch(
      /^Purchases cannot be stored: the input log is full, with \d+ of 1048576 bytes\. It has room again when /
    )
  })

  it("the edge stores purchases again as soon as the full stream of the broker has room", async () => {
    const manager = await service.client.jetstreamManager()
    await manager.streams.purge("PURCHASES")
    const answer = await service.post(purchaseText({ purchaseId: "room" }), { prefer: "wait=30" })
    expect({ status: answer.status, preferenceApplied: answer.headers["preference-applied"] }).toEqual({
      status: 201,
      preferenceApplied: "wait=30"
    })
    expect((await service.get("/readyz")).status).toBe(200)
  })
})
