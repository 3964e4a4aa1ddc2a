import { describe, expect, it } from "vitest"
import { contactMaxMilliseconds, MajorityContact } from "../../../src/nats/client/MajorityContact.ts"

describe("the contact of a process with a majority of the brokers", () => {
  it("leaders are current only for some seconds after the process sent the last message that was stored", () => {
    const contact = new MajorityContact()
    expect(contact.isCurrent(0)).toBe(false)
    contact.stored(100, 900)
    expect(contact.isCurrent(900)).toBe(true)
    expect(contact.isCurrent(100 + contactMaxMilliseconds - 1)).toBe(true)
    expect(contact.isCurrent(100 + contactMaxMilliseconds)).toBe(false)
  })

  it("a message whose acknowledgement comes late does not make an earlier contact of a later message", () => {
    const contact = new MajorityContact()
    contact.stored(2_000, 2_010)
    contact.stored(100, 2_020)
    expect(contact.isCurrent(2_000 + contactMaxMilliseconds - 1)).toBe(true)
  })

  it("after a gap, leaders are current only when a former leader has had time to notice the newer leader", () => {
    const contact = new MajorityContact()
    for (const sentAt of [0, 10_000, 11_000, 12_000]) contact.stored(sentAt, sentAt + 5)
    expect(contact.isCurrent(12_004)).toBe(false)
    expect(contact.isCurrent(12_005)).toBe(true)
  })
})
