import { describe, expect, it } from "vitest"
import {
  contactMaxMilliseconds,
  MajorityContact,
  returnWaitMilliseconds
} from "../../../src/nats/client/MajorityContact.ts"

describe("the contact of a process with a majority of the brokers", () => {
  it("leaders are current only for a second and a half after the process sent the last stored message", () => {
    const contact = new MajorityContact()
    expect(contact.isCurrent(0)).toBe(false)
    contact.stored(100, 900)
    expect(contact.isCurrent(900)).toBe(true)
    expect(contact.isCurrent(100 + contactMaxMilliseconds - 1)).toBe(true)
    expect(contact.isCurrent(100 + contactMaxMilliseconds)).toBe(false)
  })

  it("a message whose acknowledgement comes late does not replace a message that was sent later", () => {
    const contact = new MajorityContact()
    contact.stored(500, 510)
    contact.stored(100, 520)
    expect(contact.isCurrent(500 + contactMaxMilliseconds - 1)).toBe(true)
  })

  it("after a gap, leaders are current only when a former leader has had time to notice the newer leader", () => {
    const contact = new MajorityContact()
    for (const sentAt of [0, 10_000, 11_000, 12_000]) contact.stored(sentAt, sentAt + 5)
    expect(contact.isCurrent(10_004 + returnWaitMilliseconds)).toBe(false)
    expect(contact.isCurrent(10_005 + returnWaitMilliseconds)).toBe(true)
  })

  it("messages that were sent within a gap and stored at its end do not hide the gap", () => {
    const contact = new MajorityContact()
    contact.stored(0, 5)
    for (const sentAt of [900, 1_900, 3_300, 4_400]) contact.stored(sentAt, 4_410)
    expect(contact.isCurrent(4_413)).toBe(false)
    for (const sentAt of [5_500, 6_500]) contact.stored(sentAt, sentAt + 5)
    expect(contact.isCurrent(4_410 + returnWaitMilliseconds - 1)).toBe(false)
    expect(contact.isCurrent(4_410 + returnWaitMilliseconds)).toBe(true)
  })

  it("leaders are current after a lost connection only when the next connection has stored a message", () => {
    const contact = new MajorityContact()
    contact.stored(0, 5)
    contact.lost()
    expect(contact.isCurrent(100)).toBe(false)
    contact.stored(9_000, 9_005)
    expect(contact.isCurrent(9_010)).toBe(true)
  })
})
