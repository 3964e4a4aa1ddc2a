import { describe, expect, it } from "vitest"
import type { Hono } from "hono"
import { fuzz, heapGrowthMax } from "../../src/harness/fuzz/Fuzz.ts"

/** Changes the answer to each request whose path holds a text. */
const changing = (part: string, change: (answer: Response) => Response) => (app: Hono) => {
  const answer = app.fetch
  app.fetch = async (request, ...rest) => {
    const response = await answer(request, ...rest)
    return request.url.includes(part) ? change(response) : response
  }
  return app
}

describe("requests that strangers may send", () => {
  it("2,000 requests get no status of 500 or more, log no error, and do not let the heap grow", async () => {
    const { mistakes, cases, statuses } = await fuzz({ cases: 2_000, seed: Math.floor(Math.random() * 2 ** 31) })
    expect(mistakes).toEqual([])
    expect(cases).toBe(2_000)
    // A run in which nothing is served or nothing is refused would prove nothing.
    for (const status of ["200", "202", "400", "401", "404", "422"]) expect(statuses[status], status).toBeGreaterThan(0)
  })

  it("the check reports an answer with the status 500", async () => {
    const around = changing("/total", () => new Response("{}", { status: 500 }))
    const { mistakes } = await fuzz({ cases: 300, seed: 1, around })
    expect(mistakes.some((text) => text.includes("/total"))).toBe(true)
  })

  it("the check reports memory that is never freed", async () => {
    const kept: Array<Buffer | ReadonlyArray<number>> = []
    const cases = 200
    const around = changing("", (answer) => {
      kept.push(Array.from({ length: (2 * heapGrowthMax.bytes) / cases / 8 }, Math.random))
      return answer
    })
    const { mistakes } = await fuzz({ cases, seed: 1, around })
    expect(kept.length).toBeGreaterThan(cases / 2)
    expect(mistakes).toEqual([expect.stringMatching(/^the heap has grown by \d+ bytes$/)])
  })
})
