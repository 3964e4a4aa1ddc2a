import { describe, expect, it } from "vitest"
import { alertsBody, type AlertView, bodyBytesMax } from "../../src/webhook/Payload.ts"

const view: AlertView = {
  alertsOf: (_userId, { text }) => JSON.parse(text),
  linkTo: (userId, { sequence }) => `/users/${userId}/alerts?cursor=${sequence}`
}
const storedAt = Date.parse("2026-11-29T12:00:00Z")
const bodyOf = (alerts: ReadonlyArray<{ id: string; note?: string }>) =>
  alertsBody(view, "ann", { sequence: 17, storedAt, text: JSON.stringify(alerts) })

describe("The body of a delivery", () => {
  it("the body has all alerts of one purchase, with the time at which they were stored", () => {
    expect(JSON.parse(String(bodyOf([{ id: "7.1.0.3" }, { id: "7.1.0.4" }])))).toEqual({
      type: "purchase.alerts",
      timestamp: "2026-11-29T12:00:00.000Z",
      data: { owner: "ann", alerts: [{ id: "7.1.0.3" }, { id: "7.1.0.4" }] }
    })
  })

  it("a body has ids and a link if its alerts would have 20,000 bytes, even with fewer characters than that", () => {
    const note = "☂".repeat(3_000)
    const alerts = Array.from({ length: 3 }, (_, index) => ({ id: `7.1.0.${index + 1}`, note }))
    expect(JSON.parse(String(bodyOf(alerts.slice(0, 2))))).toMatchObject({ type: "purchase.alerts" })
    const linked = String(bodyOf(alerts))
    expect(JSON.parse(linked)).toEqual({
      type: "purchase.alerts.linked",
      timestamp: "2026-11-29T12:00:00.000Z",
      data: { owner: "ann", alertIds: ["7.1.0.1", "7.1.0.2", "7.1.0.3"], link: "/users/ann/alerts?cursor=17" }
    })
  })

  it("a body with a hundred ids of the longest form and a link is below the bound", () => {
    const id = `${"9".repeat(15)}.${"9".repeat(6)}.${"9".repeat(6)}.${"9".repeat(15)}`
    const body = String(bodyOf(Array.from({ length: 100 }, () => ({ id, note: "x".repeat(500) }))))
    expect(JSON.parse(body)).toMatchObject({ type: "purchase.alerts.linked" })
    expect(Buffer.byteLength(body)).toBeLessThan(bodyBytesMax)
  })

  it("a message of alerts that another program wrote becomes a dead letter", () => {
    expect(alertsBody(view, "ann", { sequence: 17, storedAt, text: "?" })).toMatchObject({ kind: "refused" })
  })
})
