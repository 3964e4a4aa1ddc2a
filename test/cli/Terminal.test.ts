import { execFile, spawnSync } from "node:child_process"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { barText, Progress } from "../../scripts/cli/Progress.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { notNow, program, purchasesAt, shellAt, startAnswering } from "./Cli.ts"

const isScriptThere = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") ?? false

const scriptNeeded = {
  tests: "of the command line on a terminal",
  missing: isScriptThere ? undefined : "no `script` of util-linux",
  remedy: "Install Debian's package bsdutils."
}

/** Runs a line in a shell on a terminal of 100 columns, and returns everything that the terminal gets. */
const onTerminal = (url: string, line: string, environment: Record<string, string> = {}): Promise<string> =>
  new Promise((resolve) => {
    // Other variables, like CI, can switch colours off or on.
    const { PATH, HOME } = process.env
    const env = { PATH, HOME, TERM: "xterm-256color", PURCHASES_URL: url, PURCHASES: program, ...environment }
    execFile("script", ["-qec", `stty cols 100 && ${line}`, "/dev/null"], { env }, (_failure, out) =>
      resolve(out.replaceAll("\r\n", "\n"))
    )
  })

const entry = (number: number) =>
  `{"number":${number},"storedAt":"2026-01-31T12:00:00.000Z","quantity":2,"productName":"Lamp","productType":"Office","value":12.50,"total":25.00,"runningTotal":25.00,"purchaseId":"order-${number}","userId":"ann"}`

const page = `{"userId":"ann","total":25.00,"currency":"USD","purchaseCount":2,"reversalCount":0,"known":true,"purchases":[${entry(2)},${entry(1)}]}`

const table = [
  "number  stored at                quantity  product  value  total  running total  purchase",
  "     2  2026-01-31 12:00:00 UTC         2  Lamp     12.50  25.00          25.00  order-2",
  "     1  2026-01-31 12:00:00 UTC         2  Lamp     12.50  25.00          25.00  order-1",
  ""
].join("\n")

const escape = "\u001B"
const erase = `\r${escape}[K`

/** Returns what the terminal shows in the end. On a busy machine every command may show its progress first. */
const withoutProgress = (seen: string): string => seen.split(erase).at(-1) ?? ""

const answering = (millisecondsBefore = 0) =>
  startAnswering((_request, response) => {
    setTimeout(() => response.end(page), millisecondsBefore)
  })

describe("a list in a pipe", () => {
  it("a list in a pipe has the same lines whether colours are asked for or not", async () => {
    const edge = await answering()
    const lines = await purchasesAt(edge.url, "history", "ann")
    const forced = await shellAt(edge.url, 'unset NO_COLOR; FORCE_COLOR=1 "$PURCHASES" history ann | cat')
    await edge.stop()
    const line = (number: number) =>
      `     ${number}  2026-01-31 12:00:00 UTC       2 × Lamp         at      12.50 =        25.00  →          25.00  order-${number}\n`
    expect(lines).toEqual({ code: 0, out: line(2) + line(1), error: "" })
    expect(forced).toEqual(lines)
  })

  it("a command that takes more than a second prints no progress if stderr is not a terminal", async () => {
    const edge = await answering(1_500)
    const { code, error } = await purchasesAt(edge.url, "history", "ann")
    await edge.stop()
    expect({ code, error }).toEqual({ code: 0, error: "" })
  })
})

describe("the command line on a terminal", needs(scriptNeeded), () => {
  it("a list on a terminal is a table with names in bold, and NO_COLOR takes the colours away", async () => {
    const edge = await answering()
    const coloured = await onTerminal(edge.url, '"$PURCHASES" history ann')
    const plain = await onTerminal(edge.url, '"$PURCHASES" history ann', { NO_COLOR: "1" })
    const json = await onTerminal(edge.url, '"$PURCHASES" --json history ann --limit 1')
    await edge.stop()
    expect(withoutProgress(plain)).toBe(table)
    expect(coloured).toContain(`${escape}[1mnumber${escape}[22m`)
    expect(withoutProgress(coloured).replaceAll(new RegExp(`${escape}\\[\\d+m`, "g"), "")).toBe(table)
    expect(JSON.parse(withoutProgress(json))).toMatchObject({ number: 2, value: "12.50" })
  })

  it("a command of more than a second shows a line of progress, and erases the line before it prints", async () => {
    const edge = await answering(1_700)
    const seen = await onTerminal(edge.url, '"$PURCHASES" history ann', { NO_COLOR: "1" })
    await edge.stop()
    expect(seen.startsWith(`${erase}waiting for the service  1 s`)).toBe(true)
    expect(seen.endsWith(erase + table)).toBe(true)
  })

  it("a feed that waits shows no progress, because it does no work", async () => {
    const edge = await startAnswering((_request, response) => {
      response.writeHead(503, { "content-type": "application/problem+json" })
      response.end(notNow("The broker is away."))
    })
    const seen = await onTerminal(edge.url, '"$PURCHASES" --timeout 2 feed')
    await edge.stop()
    expect(seen).toContain("Given up after 2 s.")
    expect(seen).not.toContain(escape)
  })
})

describe("the line of progress", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const startProgress = (isTTY: boolean) => {
    const written: Array<string> = []
    const stream = { isTTY, columns: 40, write: (text: string) => written.push(text) }
    const progress = new Progress(stream as unknown as NodeJS.WriteStream)
    progress.start()
    return { progress, seen: () => written.splice(0) }
  }

  it("a command that ends within a second shows no progress, and a longer command shows progress until its end", () => {
    const { progress, seen } = startProgress(true)
    vi.advanceTimersByTime(950)
    expect(seen()).toEqual([])
    progress.show(() => barText("stored", 12_345, 20_000))
    vi.advanceTimersByTime(100)
    expect(seen()).toEqual([`${erase}stored ██████████████████░░░░░░░░░░░░ …`])
    progress.stop()
    vi.advanceTimersByTime(5_000)
    expect(seen()).toEqual([erase])
  })

  it("a printed line erases the progress, which comes again after a second without a line", () => {
    const { progress, seen } = startProgress(true)
    vi.advanceTimersByTime(1_050)
    progress.makeRoom()
    expect(seen()).toEqual([`${erase}waiting for the service  1 s`, erase])
    vi.advanceTimersByTime(900)
    expect(seen()).toEqual([])
    vi.advanceTimersByTime(200)
    expect(seen()).toEqual([`${erase}waiting for the service  2 s`])
    progress.stop()
  })

  it("stderr that is not a terminal gets no progress", () => {
    const { progress, seen } = startProgress(false)
    vi.advanceTimersByTime(5_000)
    progress.stop()
    expect(seen()).toEqual([])
  })
})
