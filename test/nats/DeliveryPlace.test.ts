import { describe, expect, it } from "vitest"
import { deliveryPlace } from "../../src/nats/DeliveryPlace.ts"

describe("The place of a delivery", () => {
  it("is read from a reply subject with a domain and without", () => {
    const place = { sequence: 71, deliverySequence: 5, storedAt: 1_795_899_869_123 }
    expect(deliveryPlace("$JS.ACK.PURCHASES.p0.1.71.5.1795899869123456789.12")).toEqual(place)
    expect(deliveryPlace("$JS.ACK.hub.hash.PURCHASES.p0.1.71.5.1795899869123456789.12.random")).toEqual(place)
  })

  it("has the millisecond that every other read of the message has, to its last nanosecond", () => {
    const { storedAt } = deliveryPlace("$JS.ACK.PURCHASES.p0.1.71.5.1795899869123999999.12")
    expect(storedAt).toBe(Date.parse("2026-11-28T21:04:29.123999999Z"))
  })
})
