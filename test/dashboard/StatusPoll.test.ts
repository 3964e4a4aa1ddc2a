import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { StatusPoll } from "../../src/dashboard/StatusPoll.js"

describe("the poll for the status", () => {
  let asked: Array<AbortSignal>
  let answer: () => Promise<Response>

  beforeEach(() => {
    vi.useFakeTimers()
    asked = []
    answer = () => Promise.resolve(new Response('{"a":1}'))
    vi.stubGlobal("fetch", (_path: string, { signal }: { readonly signal: AbortSignal }) => {
      asked.push(signal)
      return answer()
    })
    // The runtime's own function does not follow the fake clock.
    vi.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), milliseconds)
      return controller.signal
    })
  })

  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  })

  it("the poll asks once a second, even if it was stopped and started during a request", async () => {
    const poll = new StatusPoll(
      () => undefined,
      () => undefined
    )
    poll.start()
    for (let change = 0; change < 20; change += 1) {
      poll.stop()
      poll.start()
    }
    await vi.advanceTimersByTimeAsync(0)
    asked = []
    await vi.advanceTimersByTimeAsync(5_000)
    poll.stop()
    expect(asked).toHaveLength(5)
  })

  it("the poll reports after 3.5 seconds that a frozen service does not answer", async () => {
    answer = () =>
      new Promise((_resolve, reject) => asked.at(-1)?.addEventListener("abort", () => reject(new Error("aborted"))))
    const failures: Array<string> = []
    const poll = new StatusPoll(
      () => undefined,
      (message) => failures.push(message)
    )
    poll.start()
    await vi.advanceTimersByTimeAsync(3_400)
    expect(failures).toEqual([])
    await vi.advanceTimersByTimeAsync(200)
    poll.stop()
    expect(failures).toEqual(["The service does not answer."])
  })
})
