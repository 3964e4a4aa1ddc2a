import { afterAll, describe, expect, it } from "vitest"
import { startedBeforeAll, startedBeforeEach } from "./StartedBefore.ts"

/** Makes a thing that counts its starts, and has a method that needs its own `this`. */
const makeCounted = () => {
  const events: Array<string> = []
  class Counted {
    readonly number = events.filter((event) => event === "start").length
    tell(): string {
      return `number ${this.number}`
    }
    async stop(): Promise<void> {
      events.push("stop")
    }
  }
  const start = async () => {
    events.push("start")
    return new Counted()
  }
  return { events, start }
}

describe("a thing that is started before all tests", () => {
  const { events, start } = makeCounted()
  // A hook that stands first runs last.
  afterAll(() => expect(events).toEqual(["start", "a later hook", "stop"]))
  const counted = startedBeforeAll(start)
  afterAll(() => void events.push("a later hook"))

  it.each([1, 2])("test %i sees the thing that was started for all tests", () => {
    expect({ number: counted.number, told: counted.tell() }).toEqual({ number: 1, told: "number 1" })
  })
})

describe("a thing that is started before each test", () => {
  const { events, start } = makeCounted()
  afterAll(() => expect(events).toEqual(["start", "stop", "start", "stop"]))
  const counted = startedBeforeEach(start)

  it.each([1, 2])("test %i sees the thing that was started for this test", (number) => {
    expect({ number: counted.number, told: counted.tell() }).toEqual({ number, told: `number ${number}` })
  })
})

describe("a thing that is read too early", () => {
  const { start } = makeCounted()
  const counted = startedBeforeAll(start)
  let failure: unknown
  try {
    counted.tell()
  } catch (thrown) {
    failure = thrown
  }

  it("reading a member of a thing that no hook has started yet fails with the name of the member", () => {
    expect(String(failure)).toBe("Error: tell is read before a hook has started its owner")
  })
})
