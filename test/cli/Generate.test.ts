import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest"
import { randomPurchase } from "../../scripts/cli/RandomPurchase.ts"
import { StoringRun } from "../../scripts/cli/StoringRun.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { useService } from "../support/TestService.ts"
import { notNow, program, purchasesAt, RunningCommand, shellAt, startAnswering, startStoring } from "./Cli.ts"

const service = useService()
let url: string
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  url = `http://127.0.0.1:${await Effect.runPromise(Scope.provide(serveHttp(service.edge.app, "127.0.0.1", 0), scope))}`
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

const countOf = async (userId: string) => (await new PurchaseClient({ url }).total(userId)).purchaseCount

const continuation =
  /^purchases: ([\d,]+) of 100,000 are stored\. Continue with: \S+\/scripts\/purchases generate 100000 (\w+) --run (\w+)$/m

describe("purchases generate", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`generate says after ${signal} how many purchases are stored, and how to store the rest once`, async () => {
      const user = `after-${signal}`.toLowerCase().replace("-", "_")
      const running = new RunningCommand(url, "generate", "100000", user)
      await until("some are stored", async () => (await countOf(user)) > 0)
      const { endedBy, said } = await running.interrupt(signal)
      expect(endedBy).toBe(signal)
      const [, stored = "", named, run = ""] = continuation.exec(said) ?? []
      expect(named, said).toBe(user)
      const atLeast = Number(stored.replaceAll(",", ""))
      const counted = await countOf(user)
      expect(counted).toBeGreaterThanOrEqual(atLeast)
      expect(counted).toBeLessThanOrEqual(100_000)

      const ended = await purchasesAt(url, "generate", "100000", user, "--run", run)
      expect(ended).toEqual({ code: 0, out: `100000 purchases of ${user} are stored\n`, error: "" })
      expect(await countOf(user)).toBe(100_000)
      expect(await service.get("/rejected").then(({ body }) => body)).toBe('{"rejected":[]}')
    })
  }

  it("generate ends with 3 if the broker is gone, and says how many purchases are stored", async () => {
    let lines = 0
    const edge = await startAnswering((request, response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson" })
      request.on("data", (chunk: Buffer) => {
        for (const _ of chunk.toString().split("\n").slice(1)) {
          lines += 1
          response.write(
            lines <= 1_234
              ? `{"line":${lines},"status":"stored","userId":"ann","purchaseId":"p"}\n`
              : `{"line":${lines},"status":"refused","problem":${notNow("The broker is away.")}}\n`
          )
        }
      })
      request.on("end", () => response.end())
    })
    const command = ["--url", edge.url, "--timeout", "1", "generate", "20000", "ann", "--run", "monday"]
    const { code, out, error } = await purchasesAt(url, ...command)
    await edge.stop()
    expect({ code, out }).toEqual({ code: 3, out: "" })
    expect(error).toContain("purchases: The broker is away. Given up after 1 s.\n1,234 of 20,000 are stored.")
    expect(error).toContain(`Continue with: ${program} --url ${edge.url} generate 20000 ann --run monday\n`)
  })
})

describe("generate with a file of its state", () => {
  const directory = mkdtempSync(join(tmpdir(), "generate-"))
  const state = join(directory, "eve.state")
  afterAll(() => rmSync(directory, { recursive: true }))
  const settled = () => (JSON.parse(readFileSync(state, "utf8")) as { readonly settled: number }).settled

  it("generate, run again after kill -9, goes on behind the settled purchases, and makes the same ids", async () => {
    const edge = await startStoring(() => undefined, 12_000)
    const command = ["--url", edge.url, "generate", "30000", "eve", "--state", state]
    const running = new RunningCommand(url, ...command)
    await until("a part is done", async () => existsSync(state) && settled() >= 10_000)
    expect(await running.interrupt("SIGKILL")).toMatchObject({ endedBy: "SIGKILL" })
    expect(settled()).toBe(10_000)
    const requestsBefore = edge.requests.length
    edge.release()
    const stored = { code: 0, out: "30000 purchases of eve are stored\n", error: "" }
    expect(await purchasesAt(url, ...command)).toEqual(stored)
    expect(edge.requests[requestsBefore]?.[0]).toMatch(/^[0-9a-f]{12}-10001$/)
    expect(new Set(edge.ids()).size).toBe(30_000)

    const sent = edge.ids().length
    expect(await purchasesAt(url, ...command)).toEqual(stored)
    expect(await purchasesAt(url, ...command, "--run", "monday")).toMatchObject({
      code: 2,
      error: expect.stringContaining(`${state} of --state is of another command: its run is "`)
    })
    await edge.stop()
    expect(edge.ids().length).toBe(sent)
  }, 120_000)
})

describe("the command that continues a run", () => {
  it("the printed command continues a run without a change, even if the user and the run begin with -", async () => {
    const edge = await startAnswering((_request, response) => response.end("<html>"))
    const first = await purchasesAt(url, "--timeout", "1", "--url", edge.url, "generate", "--run=-r", "--", "3", "-u")
    await edge.stop()
    const [, command = ""] = /Continue with: (.+)/.exec(first.error) ?? []
    expect(command).toBe(`${program} --url ${edge.url} generate --run=-r -- 3 -u`)
    expect(await shellAt(url, command.replace(edge.url, url))).toEqual({
      code: 0,
      out: "3 purchases of -u are stored\n",
      error: ""
    })
  })
})

describe("a run of generate", () => {
  it("a run sends purchases of unknown outcome again, and every other purchase once", async () => {
    const sent: Array<number> = []
    let isAway = true
    const client = new PurchaseClient({
      url: "http://ledger",
      fetch: async (request) => {
        const numbers = (await request.text())
          .trim()
          .split("\n")
          .map((line) => Number(/-(\d+)"/.exec(line)?.[1]))
        const answers = numbers.map((number) => {
          const isTaken = !(isAway && number % 10 === 0)
          if (isTaken) sent.push(number)
          return isTaken
            ? `{"line":1,"status":"stored","userId":"ann","purchaseId":"p"}\n`
            : `{"line":1,"status":"unknown","problem":${notNow("away")}}\n`
        })
        isAway = false
        return new Response(answers.join(""))
      }
    })
    const storing = new StoringRun(1_000, (number) => randomPurchase("ann", "run", number))
    const told: Array<string> = []
    await storing.store({
      clientTelling: () => client,
      signal: new AbortController().signal,
      timeoutMilliseconds: 10_000,
      onRetry: ({ message }) => void told.push(message)
    })
    expect(storing).toMatchObject({ stored: 1_000, refused: 0, open: 0 })
    expect(sent.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
    expect(told).toEqual(["away"])
  })

  it("a run ends if no purchase is settled within the timeout, even if the service answers", async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const beganAt = Date.now()
    const deadlines = new Set<number | undefined>()
    let requests = 0
    const storing = new StoringRun(10, (number) => randomPurchase("ann", "run", number))
    const running = storing.store({
      clientTelling: (onRetry) =>
        new PurchaseClient({
          url: "http://ledger",
          timeoutMilliseconds: 3_000,
          attemptsMax: Number.POSITIVE_INFINITY,
          onRetry,
          // Each answer covers only the first purchase of its request. Only the first purchase of all requests is
          // stored.
          fetch: async (request) => {
            await request.text()
            requests += 1
            await new Promise((resolve, reject) => {
              setTimeout(resolve, 1_000)
              request.signal.addEventListener("abort", () => reject(request.signal.reason as Error))
            })
            return new Response(
              requests === 1
                ? `{"line":1,"status":"stored","userId":"ann","purchaseId":"p"}\n`
                : `{"line":1,"status":"unknown","problem":${notNow("away")}}\n`
            )
          }
        }),
      signal: new AbortController().signal,
      timeoutMilliseconds: 3_000,
      onRetry: (_failure, _wait, until) => void deadlines.add(until)
    })
    let failure: unknown
    running.catch((thrown: unknown) => {
      failure = thrown
    })
    await vi.advanceTimersByTimeAsync(3_900)
    expect(failure).toBeUndefined()
    await vi.advanceTimersByTimeAsync(200)
    expect(failure).toMatchObject({ name: "TimedOut", last: { name: "NoAnswer" } })
    expect([...deadlines]).toEqual([beganAt + 4_000])
    expect(storing).toMatchObject({ stored: 1, open: 9 })
  })

  it("a run makes the same purchases each time, and two runs make different purchases", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
    fc.assert(
      fc.property(name, fc.integer({ min: 1, max: 10_000_000 }), (run, number) => {
        const purchase = randomPurchase("ann", run, number)
        expect(randomPurchase("ann", run, number)).toEqual(purchase)
        expect(purchase.purchaseId).toBe(`${run}-${number}`)
        expect(Number(purchase.value)).toBeGreaterThanOrEqual(1_000)
        expect(Number(purchase.value)).toBeLessThanOrEqual(100_000)
        expect([1, 2, 3, 4, 5]).toContain(purchase.quantity)
      })
    )
    const contents = (run: string) =>
      Array.from({ length: 100 }, (_, number) => ({ ...randomPurchase("ann", run, number), purchaseId: "" }))
    expect(contents("one")).not.toEqual(contents("two"))
  })
})
