import { describe, expect, it } from "vitest"
import { failuresIn } from "../../src/dashboard/ErrorsView.js"
import { parseExact } from "../../src/dashboard/ExactJson.js"
import { amount, duration, moment, rate, times } from "../../src/dashboard/Format.js"
import { Latencies } from "../../src/dashboard/Latencies.js"
import { Rates } from "../../src/dashboard/Rates.js"
import { healthIn, troubleIn } from "../../src/dashboard/HealthView.js"
import { localOf } from "../../src/dashboard/HistoryFilters.js"
import { amountOf } from "../../src/dashboard/Reversal.js"
import { axisOf } from "../../src/dashboard/SpendingChart.js"

const at = (second: number) => new Date(1_700_000_000_000 + second * 1_000).toISOString()
const worker = (name: string, second: number, applied?: number, process = 1) => ({
  worker: name,
  process,
  heardAt: at(second),
  alive: true,
  silentMilliseconds: 0,
  partitions: [],
  ...(applied === undefined ? {} : { applied, repeats: applied / 10, rejected: 0 })
})

describe("rates of the dashboard", () => {
  it("a rate is the work between two signs of life, divided by the time between them", () => {
    const rates = new Rates()
    rates.take({ workers: [worker("one", 9, 100), worker("two", 10, 0)] })
    expect(rates.all).toBeUndefined()
    rates.take({ workers: [worker("one", 11, 500), worker("two", 11, 50)] })
    expect(rates.of("one")).toEqual({ applied: 200, repeats: 20 })
    expect(rates.all).toEqual({ applied: 250, repeats: 25 })
  })

  it("a rate stays until the next sign of life comes, and becomes 0 if no sign of life comes for long", () => {
    const rates = new Rates()
    rates.take({ workers: [worker("one", 9, 100)] })
    rates.take({ workers: [worker("one", 10, 300)] })
    rates.take({ workers: [worker("one", 10, 300)] })
    expect(rates.all).toEqual({ applied: 200, repeats: 20 })
    rates.take({ workers: [{ ...worker("one", 10, 300), alive: false }] })
    expect(rates.all).toEqual({ applied: 0, repeats: 0 })
  })

  it("a process that was restarted has a right rate, although its counts begin at 0 again", () => {
    const rates = new Rates()
    rates.take({ workers: [worker("one", 9, 100)] })
    rates.take({ workers: [worker("one", 10, 5, 2)] })
    expect(rates.of("one")).toBeUndefined()
    rates.take({ workers: [worker("one", 11, 15, 2)] })
    expect(rates.of("one")).toEqual({ applied: 10, repeats: 1 })
  })

  it("the rate is unknown if the workers report no counts", () => {
    const rates = new Rates()
    rates.take({ workers: [worker("one", 9)] })
    rates.take({ workers: [worker("one", 10, 7)] })
    expect(rates.all).toBeUndefined()
  })
})

describe("latencies of the dashboard", () => {
  it("the latencies are the median and the 99th percentile over the last minute", () => {
    const latencies = new Latencies()
    expect(latencies.at(0)).toBeUndefined()
    for (let milliseconds = 100; milliseconds > 0; milliseconds -= 1) latencies.add(1_000, milliseconds)
    expect(latencies.at(1_000)).toEqual({ median: 51, high: 100, count: 100 })
    latencies.add(50_000, 7)
    expect(latencies.at(61_000)).toEqual({ median: 7, high: 7, count: 1 })
    expect(latencies.at(110_000)).toBeUndefined()
  })

  it("latencies are computed from a bounded number of the newest purchases", () => {
    const latencies = new Latencies()
    for (let number = 0; number < 10_000; number += 1) latencies.add(0, number)
    expect(latencies.at(0)?.count).toBe(2_000)
    expect(latencies.at(0)?.median).toBe(9_000)
  })
})

describe("amounts of the dashboard", () => {
  it("amounts of any size are read exactly, and shown with separated thousands", () => {
    const { total, purchaseCount } = parseExact('{"total":90071992547409919.10,"purchaseCount":12}')
    expect({ total, purchaseCount }).toEqual({ total: "90071992547409919.10", purchaseCount: 12 })
    expect(amount(total)).toBe("90,071,992,547,409,919.10")
    expect(["0.10", "-5.00", "999.99", "1000.00"].map(amount)).toEqual(["0.10", "-5.00", "999.99", "1,000.00"])
  })

  it("a small rate is not shown as 0", () => {
    expect([0, 0.25, 9.94, 10, 1234.5].map(rate)).toEqual(["0", "0.3", "9.9", "10", "1,235"])
  })
})

describe("a receipt", () => {
  it("a receipt says that a purchase never came again, or how often", () => {
    expect(times(0, "dropped")).toBe("never")
    expect(times(1, "dropped")).toBe("1 time, and was dropped")
    expect(times(1_200, "rejected")).toBe("1,200 times, and was rejected")
  })

  it("a receipt has times with their year and their zone", () => {
    expect(moment("2026-11-29T09:31:34.336Z")).toMatch(/ 2026,? .*\d\d:\d\d:\d\d [A-Z]/)
  })
})

describe("trouble of the service", () => {
  const status = (storing: boolean, notApplied: ReadonlyArray<number>) => ({
    storing: { ok: storing, detail: "S." },
    applying: { ok: notApplied.length === 0, detail: "A.", partitions: notApplied },
    partitions: [{}, {}]
  })
  const headingOf = (...given: Parameters<typeof status>) => troubleIn(status(...given))?.heading

  it("trouble with storing and trouble with applying are reported separately", () => {
    expect(headingOf(true, [])).toBeUndefined()
    expect(headingOf(true, [1])).toBe("Purchases are stored, but not all are applied")
    expect(headingOf(true, [0, 1])).toBe("Purchases are stored, but none is applied")
    expect(headingOf(false, [])).toBe("Purchases cannot be stored")
    expect(headingOf(false, [0, 1])).toBe("Purchases cannot be stored, and none is applied")
    expect(troubleIn(status(false, [1]))?.detail).toBe("S. A.")
    expect(troubleIn(status(true, [1]))?.detail).toBe("A.")
  })
})

describe("the sentence about the health", () => {
  const status = (lagMilliseconds: number, storing = true) => ({
    storing: { ok: storing, detail: "S." },
    applying: { ok: true, detail: "A.", partitions: [] },
    partitions: [{}, {}],
    workers: [{ alive: true }, { alive: false }],
    alerts: [{ lagMilliseconds: 0 }, { lagMilliseconds }]
  })

  it("the health is ok, late or down, and its details say what is late", () => {
    expect(healthIn(status(0))).toEqual({
      state: "ok",
      heading: "Purchases are stored and applied",
      detail: "All 2 partitions have a worker, and 1 worker is alive. Rules have judged what is applied."
    })
    expect(healthIn(status(45_000))).toEqual({
      state: "late",
      heading: "Purchases are stored and applied, but alerts come late",
      detail:
        "All 2 partitions have a worker, and 1 worker is alive. The oldest purchase that rules have not judged was applied 45 s ago."
    })
    expect(healthIn(status(0, false)).state).toBe("down")
  })

  it("a time span is written in its largest unit", () => {
    const spans = [0, 850, 12_345, 119_999, 300_000, 7_200_000, 400_000_000]
    expect(spans.map(duration)).toEqual(["0 ms", "850 ms", "12 s", "119 s", "5 min", "2 h", "4 days"])
  })
})

describe("the axis of a chart", () => {
  it("the lines of an axis are few, stand at round amounts, and enclose 0 and all amounts", () => {
    expect(axisOf([0, 0])).toEqual([0, 1])
    expect(axisOf([7_715.75, 0])).toEqual([0, 2_000, 4_000, 6_000, 8_000])
    expect(axisOf([100, -40])).toEqual([-50, 0, 50, 100])
    expect(axisOf([0.12])).toEqual([0, 0.5])
    expect(axisOf([12_000_000_000]).length).toBeLessThanOrEqual(6)
  })
})

describe("reversals and filters of the dashboard", () => {
  it("the amount of some pieces is exact for every price", () => {
    expect(amountOf("101.99", 3)).toBe("305.97")
    expect(amountOf("0.01", 1)).toBe("0.01")
    expect(amountOf("1000000.00", 10_000)).toBe("10000000000.00")
    expect(amountOf("90071992547409.91", 100_000)).toBe("9007199254740991000.00")
  })

  it("a moment becomes the local time of an input field, and a text that is no time becomes an empty text", () => {
    const instant = "2026-11-29T22:41:05.000Z"
    expect(new Date(localOf(instant)).toISOString()).toBe(instant)
    expect([localOf(undefined), localOf("x")]).toEqual(["", ""])
  })
})

describe("errors of an edge", () => {
  it("requests that failed are counted by their status, over all routes", () => {
    const metrics = `# TYPE purchase_ledger_http_requests_total counter
purchase_ledger_http_requests_total{method="GET",route="/users/{id}/total",status="200"} 7
purchase_ledger_http_requests_total{method="GET",route="/users/{id}/total",status="503"} 2
purchase_ledger_http_requests_total{method="POST",route="/purchases",status="503"} 3
purchase_ledger_http_requests_total{method="POST",route="/purchases",status="504"} 1
`
    expect([...failuresIn(metrics)]).toEqual([
      ["503", 5],
      ["504", 1]
    ])
  })
})
