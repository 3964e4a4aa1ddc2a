import { describe, expect, it } from "vitest"
import { readAckSubject } from "../../../src/nats/client/AckSubject.ts"

describe("The reply subject of a delivery", () => {
  it("the reply subject of a delivery is read with a domain and without a domain", () => {
    const place = { sequence: 71, deliverySequence: 5, storedAt: 1_795_899_869_123 }
    expect(readAckSubject("$JS.ACK.PURCHASES.p0.1.71.5.1795899869123456789.12")).toEqual(place)
    expect(readAckSubject("$JS.ACK.hub.hash.PURCHASES.p0.1.71.5.1795899869123456789.12.random")).toEqual(place)
  })

  it("the time of a delivery is cut to the same millisecond as in every other read of its message", () => {
    const { storedAt } = readAckSubject("$JS.ACK.PURCHASES.p0.1.71.5.1795899869123999999.12")
    expect(storedAt).toBe(Date.parse("2026-11-28T21:04:29.123999999Z"))
  })
})
