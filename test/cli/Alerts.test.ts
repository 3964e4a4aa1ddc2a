import { describe, expect, it } from "vitest"
import { alertByHand, alertOf } from "../support/AlertsByHand.ts"
import { serve } from "../support/TestServer.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { purchaseText, useService } from "../support/TestService.ts"
import { purchasesAt } from "./Cli.ts"

const service = useService()
const server = startedBeforeAll(async () => {
  const { port, close } = await serve(service.edge.app)
  return { port, stop: close }
})

const purchases = (...words: ReadonlyArray<string>) => purchasesAt(`http://127.0.0.1:${server.port}`, ...words)
const done = (out: string) => ({ code: 0, out, error: "" })

const line =
  '2026-11-29 10:00:00 UTC  ann  2 × Laptop at 899.00  p1  measured 899.00  cheap: Alert when you buy "Laptop" for 900.00 USD or less a piece.'

describe("purchases alerts", () => {
  it("the command lists alerts newest first, as text or as JSON", async () => {
    expect(await purchases("alerts", "list", "ann")).toEqual(done("ann has no alerts.\n"))
    await alertByHand(service.client, alertOf())
    const running = alertOf({ sequence: 40, before: 100n, after: 89_900n })
    await alertByHand(service.client, running)
    const newest = line.replace("measured 899.00", "measured 1.00 → 899.00")
    expect(await purchases("alerts", "list", "ann")).toEqual(done(`${newest}\n${line}\n`))
    expect(await purchases("alerts", "list", "ann", "--limit", "1", "--through", "0")).toEqual(done(`${newest}\n`))
    const { out } = await purchases("--json", "alerts", "list", "ann", "--all")
    const [first] = out
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text))
    expect(first).toMatchObject({ id: "40.2.0.17", measured: { before: "1.00", after: "899.00" } })
  })

  it("the command follows alerts after the id of --after, and ends after the number of events in --count", async () => {
    const id = await alertByHand(service.client, alertOf({ owner: "bob" }), alertOf({ owner: "bob", ruleId: "other" }))
    const { out } = await purchases("alerts", "feed", "--user", "bob", "--after", "0", "--count", "1")
    const event = `${String(id).padStart(8)} ${"bob".padEnd(16)} ${line.replace("  ann  ", "  bob  ")}`
    expect(out).toBe(`${event}\n${event.replace("cheap:", "other:")}\n`)
    expect((await purchases("alerts", "feed", "--after", "x")).code).toBe(2)
  })
})

describe("purchases rules test", () => {
  it("the command says how often a rule would have fired, and lists the alerts", async () => {
    for (let index = 0; index < 3; index += 1) {
      await service.post(purchaseText({ userId: "cy", purchaseId: `p${index}` }), { prefer: "wait=5" })
    }
    await purchases("rules", "put", "cy", "two", "count", "2")
    const said = "two would have fired once on 3 purchases of 30 days\n"
    expect(await purchases("rules", "test", "cy", "two")).toEqual(done(said))
    const { out } = await purchases("rules", "test", "cy", "two", "--days", "7", "--list")
    expect(out).toMatch(/^20[0-9 :-]+ UTC {2}cy {2}2 × Lamp at 12\.50 {2}p1 {2}measured 1 → 2\n/)
    expect(out.endsWith(said.replace("30 days", "7 days"))).toBe(true)
    const json = await purchases("--json", "rules", "test", "cy", "two")
    expect(JSON.parse(json.out)).toEqual({ ruleId: "two", matches: 1, purchases: 3, days: 30 })
    expect(await purchases("rules", "test", "cy", "unknown")).toMatchObject({ code: 1 })
  })
})
