import { describe, expect, it } from "vitest"
import { serve } from "../support/TestServer.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { useService } from "../support/TestService.ts"
import { purchasesAt } from "./Cli.ts"

const service = useService({ withoutWorker: true })
const server = startedBeforeAll(async () => {
  const { port, close } = await serve(service.edge.app)
  return { port, stop: close }
})

const purchases = (...words: ReadonlyArray<string>) => purchasesAt(`http://127.0.0.1:${server.port}`, ...words)
const rules = (...words: ReadonlyArray<string>) => purchases("rules", ...words)
const done = (out: string) => ({ code: 0, out, error: "" })

const gadgets = ["ann", "gadgets", "spent", "200", "--type", "Electronics", "--within", "P7D"]
const inWords = 'Alert when your spending on something of the type "Electronics" in 7 days reaches 200.00 USD.'

describe("purchases rules", () => {
  it("a rule is put, listed as a sentence, and put again without a change", async () => {
    expect(await rules("list", "ann")).toEqual(done("ann has no rules.\n"))
    expect(await purchases("--json", "rules", "list", "ann")).toEqual(done(""))
    const line = done(`gadgets (version 1): ${inWords}\n`)
    expect(await rules("put", ...gadgets)).toEqual(line)
    expect(await rules("put", ...gadgets)).toEqual(line)
    expect(await rules("list", "ann")).toEqual(line)
    const { out } = await purchases("--json", "rules", "put", ...gadgets)
    expect(JSON.parse(out)).toMatchObject({
      ruleId: "gadgets",
      version: 1,
      rule: { measure: "spent", within: "P7D", is: "crosses", threshold: "200.00", enabled: true }
    })
  })

  it("every flag of `rules put` sets a member of the rule", async () => {
    const words = "dan all count 3 --is equal --who all --product Lamp --within month --time-zone Europe/Berlin".split(
      " "
    )
    const times = ["--from", "2026-01-01T00:00:00Z", "--until", "2026-12-31T23:00:00+01:00"]
    await rules("put", ...words, ...times, "--note", "three lamps", "--disabled", "--new")
    const { out } = await rules("show", "dan", "all")
    expect(out.split("\n").map((line) => line.replace(/ +/, ": "))).toEqual([
      "ruleId: all",
      expect.stringMatching(/^inWords: Alert when .* The rule is switched off\.$/),
      "version: 1",
      expect.stringMatching(/^number: [0-9]+$/),
      "who: all",
      "product: Lamp",
      "measure: count",
      "within: month in Europe/Berlin",
      "is: equal",
      "threshold: 3",
      "from: 2026-01-01T00:00:00.000Z",
      "until: 2026-12-31T22:00:00.000Z",
      "enabled: false",
      "note: three lamps",
      ""
    ])
  })

  it("a rule is switched off and on, and its other members stay the same", async () => {
    await rules("put", "eve", "r", "value", "900", "--is", "less-or-equal", "--note", "cheap")
    const sentence = "Alert when you buy anything for 900.00 USD or less a piece."
    expect(await rules("disable", "eve", "r")).toEqual(done(`r (version 2): ${sentence} The rule is switched off.\n`))
    expect(await rules("disable", "eve", "r")).toMatchObject({ out: expect.stringContaining("(version 2)") })
    expect(await rules("enable", "eve", "r")).toEqual(done(`r (version 3): ${sentence}\n`))
    expect((await rules("show", "eve", "r")).out).toContain("cheap\n")
  })

  it("a rule is removed once, and the next removal ends with 1", async () => {
    await rules("put", "fay", "r", "quantity", "5", "--is", "equal")
    expect(await rules("remove", "fay", "r")).toEqual(done("r is removed\n"))
    const error = "purchases: User fay has no rule r. GET /users/{id}/rules lists the rules.\n"
    for (const command of ["remove", "show", "enable"]) {
      expect(await rules(command, "fay", "r")).toEqual({ code: 1, out: "", error })
    }
  })

  it("rules put ends with 1 for an old version, for a wrong rule, and with --new for a rule that exists", async () => {
    await rules("put", "gus", "r", "value", "1", "--is", "equal")
    const cases = [
      [["put", "gus", "r", "value", "2", "--is", "equal", "--if-version", "7"], 'has the ETag "1"'],
      [["put", "gus", "r", "value", "2", "--is", "equal", "--new"], 'has the ETag "1"'],
      [["put", "gus", "s", "value", "2"], "is must be one of"],
      [["put", "gus", "s", "spent", "5", "--within", "P100Y"], "within must be a length"]
    ] as const
    for (const [words, problem] of cases) {
      expect(await rules(...words)).toMatchObject({ code: 1, out: "", error: expect.stringContaining(problem) })
    }
    expect((await rules("list", "gus")).out.split("\n")).toHaveLength(2)
  })
})
