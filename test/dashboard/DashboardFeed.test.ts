import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { Feed } from "../../src/dashboard/Feed.js"

/** An EventSource whose events the test sends. */
class Source extends EventTarget {
  static readonly made: Array<Source> = []
  readonly url: string
  isClosed = false

  constructor(url: string) {
    super()
    this.url = url
    Source.made.push(this)
  }

  close(): void {
    this.isClosed = true
  }

  opens(): void {
    this.dispatchEvent(new Event("open"))
  }

  tells(name: string, lastEventId: string, data = "{}"): void {
    this.dispatchEvent(new MessageEvent(name, { lastEventId, data }))
  }

  fails(): void {
    this.dispatchEvent(new Event("error"))
  }
}

const newest = (): Source => {
  const source = Source.made.at(-1)
  if (source === undefined) throw new Error("no feed was asked for")
  return source
}

beforeEach(() => {
  Source.made.splice(0)
  vi.useFakeTimers()
  vi.stubGlobal("EventSource", Source)
  vi.spyOn(Math, "random").mockReturnValue(1)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe("the dashboard's feed", () => {
  const opened = () => {
    const feed = new Feed("users/ann/feed", () => undefined)
    feed.open()
    newest().opens()
    return feed
  }

  it("the dashboard asks for the events after its last event each time that its feed breaks off", () => {
    opened()
    newest().tells("message", "7.2")
    newest().fails()
    expect(newest().isClosed).toBe(true)
    vi.advanceTimersByTime(1_000)
    expect(Source.made.map(({ url }) => url)).toEqual(["users/ann/feed", "users/ann/feed?lastEventId=7.2"])
  })

  it("the dashboard's feed goes on after the event id that a reset names", () => {
    opened()
    newest().tells("message", "7.2")
    newest().tells("reset", "3.11")
    newest().tells("end", "3.11")
    vi.advanceTimersByTime(1_000)
    expect(newest().url).toBe("users/ann/feed?lastEventId=3.11")
  })

  it("the wait before a new feed doubles with each failure up to 30 seconds, and a success resets it", () => {
    opened()
    const waits = []
    for (let failure = 1; failure <= 7; failure += 1) {
      newest().fails()
      const before = Date.now()
      vi.advanceTimersToNextTimer()
      waits.push(Date.now() - before)
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    newest().opens()
    newest().fails()
    const before = Date.now()
    vi.advanceTimersToNextTimer()
    expect(Date.now() - before).toBe(1_000)
  })

  it("the dashboard shortens each wait at random, to no less than half of the wait", () => {
    vi.mocked(Math.random).mockReturnValue(0)
    opened()
    newest().fails()
    vi.advanceTimersByTime(499)
    expect(Source.made).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(Source.made).toHaveLength(2)
  })

  it("the dashboard's feed skips the missed events after a disconnection of more than a minute", () => {
    opened()
    newest().tells("message", "7.2")
    for (let failure = 1; failure <= 6; failure += 1) {
      newest().fails()
      vi.advanceTimersToNextTimer()
    }
    expect(Source.made.map(({ url }) => url.includes("7.2"))).toEqual([false, true, true, true, true, true, false])
  })

  it("the dashboard's feed skips the missed events when the page closes and opens the feed", () => {
    const feed = opened()
    newest().tells("message", "7.2")
    feed.close()
    feed.open()
    expect(newest().url).toBe("users/ann/feed")
  })
})
