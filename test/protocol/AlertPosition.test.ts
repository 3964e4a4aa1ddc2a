import { describe, expect, it } from "vitest"
import { decodeAlertPosition, encodeAlertPosition } from "../../src/protocol/AlertPosition.ts"

describe("the position of a shard", () => {
  it("a position is written as a line of JSON with a version, and is read back", () => {
    const position = { through: 39, messages: 900 }
    expect(encodeAlertPosition(position)).toBe('{"v":1,"through":39,"messages":900}')
    expect(decodeAlertPosition(encodeAlertPosition(position))).toEqual(position)
  })

  it.each(["", "{}", '{"v":2,"through":1,"messages":0}', '{"v":1,"through":1}', '{"v":1,"through":1.5,"messages":0}'])(
    "a position is not read from the text %j",
    (text) => {
      expect(() => decodeAlertPosition(text)).toThrow()
    }
  )
})
