import { describe, expect, it } from "vitest"
import { listedText } from "../../scripts/cli/rejected.ts"

describe("a record in the list of rejected records", () => {
  it("a rejected record is printed as one line, and a line break in its reason becomes a blank", () => {
    const text = listedText({
      inputSequence: 7,
      index: 0,
      rejectedAt: "2026-01-31T12:00:00.000Z",
      replay: "none",
      reason: 'Expected a string\n  at ["userId"]',
      encoding: "text",
      payloadLength: 2,
      payload: "{}"
    })
    expect(text).toBe('       7/0  2026-01-31 12:00:00 UTC  none         Expected a string at ["userId"]: {}')
  })
})
