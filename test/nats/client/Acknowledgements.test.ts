import { Effect, Fiber } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { makeAcknowledgements } from "../../../src/nats/client/Acknowledgements.ts"

const make = () => {
  const sent: Array<{ readonly subject: string; readonly reply: string | undefined }> = []
  const link = { isConnected: true }
  const acknowledgements = makeAcknowledgements(
    { publish: (subject, _payload, options) => void sent.push({ subject, reply: options?.reply }) },
    () => link.isConnected,
    "confirmed"
  )
  return { acknowledgements, sent, link }
}

describe("Acknowledgements", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("acknowledgements are sent together and in order, and the last one's confirmation confirms all", () => {
    const { acknowledgements, sent } = make()
    for (const subject of ["one", "two", "three"]) acknowledgements.add(subject)
    expect(sent).toEqual([])
    vi.runAllTimers()
    expect(sent).toEqual([
      { subject: "one", reply: undefined },
      { subject: "two", reply: undefined },
      { subject: "three", reply: "confirmed" }
    ])
  })

  it("many acknowledgements are sent at once, without waiting for more", () => {
    const { acknowledgements, sent } = make()
    for (let number = 1; number <= 150; number += 1) acknowledgements.add(String(number))
    expect(sent.map(({ subject }) => subject)).toEqual(Array.from({ length: 128 }, (_, index) => String(index + 1)))
    vi.runAllTimers()
    expect(sent.length).toBe(150)
    expect(sent.filter(({ reply }) => reply !== undefined).length).toBe(3)
  })

  it("a process that stops waits until all acknowledgements are sent and confirmed", async () => {
    const { acknowledgements, sent } = make()
    acknowledgements.add("one")
    vi.runAllTimers()
    acknowledgements.add("two")
    const stopping = Effect.runFork(acknowledgements.confirmed)
    await vi.waitFor(() => expect(sent.map(({ subject }) => subject)).toEqual(["one", "two"]))
    acknowledgements.heard()
    expect(stopping.pollUnsafe()).toBeUndefined()
    acknowledgements.heard()
    await Effect.runPromise(Fiber.join(stopping))
  })

  it("acknowledgements are dropped if there is no connection, or after their scope has closed", async () => {
    const { acknowledgements, sent, link } = make()
    link.isConnected = false
    acknowledgements.add("one")
    vi.runAllTimers()
    link.isConnected = true
    acknowledgements.add("two")
    acknowledgements.close()
    vi.runAllTimers()
    expect(sent).toEqual([])
    await Effect.runPromise(acknowledgements.confirmed)
  })
})
