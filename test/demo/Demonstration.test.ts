import { Effect, Exit, Scope } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Demonstration } from "../../scripts/demo/Demonstration.ts"
import { Report, WrongClaim } from "../../scripts/demo/Report.ts"
import { showAlerts } from "../../scripts/demo/showAlerts.ts"
import { showKill } from "../../scripts/demo/showKill.ts"
import { showDuplicates, showGenerated, showRepeat } from "../../scripts/demo/steps.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { startJudge, startWorker, type TestWorker } from "../../src/harness/system/TestLedger.ts"
import { startService, type TestService, useService } from "../support/TestService.ts"

const service = useService()

type Ask = (request: Request) => Response | Promise<Response>

/** Returns a demo that gets its answers from `ask`, and the output of the demo. */
const demonstrationOf = (of: TestService, ask: Ask = (request) => of.edge.app.fetch(request)) => {
  const printed: Array<string> = []
  const users = crypto.randomUUID().slice(0, 8)
  const demonstration: Demonstration = {
    client: new PurchaseClient({ url: "http://ledger", fetch: ask, attemptsMax: 1 }),
    report: new Report((line) => printed.push(line)),
    newUser: (name) => `${name}-${users}`
  }
  return { demonstration, printed }
}

/** Returns a way to ask the service that changes the body of the answer if the path matches. */
const lying =
  (path: RegExp, change: (body: string) => string): Ask =>
  async (request) => {
    const answer = await service.edge.app.fetch(request)
    if (!path.test(new URL(request.url).pathname)) return answer
    return new Response(change(await answer.text()), answer)
  }

const steps = { showGenerated, showDuplicates, showRepeat }

describe("the demo", () => {
  it("all claims of the demo hold for this service", async () => {
    const { demonstration, printed } = demonstrationOf(service)
    for (const show of Object.values(steps)) await show(demonstration)
    expect(printed.filter((line) => line.startsWith(" ✓ ")).length).toBeGreaterThan(10)
  })

  it.each([
    ["showGenerated", "generates fewer", /^\/generate/, /1000,/, "999,", "generated: came back as '999'"],
    ["showGenerated", "has another count", /purchases$/, /"purchaseCount":1000/, '"purchaseCount":1001', "'1001'"],
    ["showDuplicates", "sends fewer", /^\/duplicate/, /500,/, "499,", "sent: came back as '499', and should be '500'"],
    ["showDuplicates", "has another total", /total$/, /100\.00/, "200.00", "came back as '200.00'"],
    ["showDuplicates", "has no history", /purchases$/, /"purchases":.*\]/, '"purchases":[]', "came back as '0'"],
    ["showRepeat", "answers with another sum", /^\/purchases$/, /1492\.74/, "1492.73", "came back as '1492.73'"]
  ] as const)("the demo fails in %s if a service %s", async (step, _what, path, text, lie, said) => {
    const lied: Array<string> = []
    const ask = lying(path, (body) => {
      const changed = body.replace(text, lie)
      if (changed !== body) lied.push(changed)
      return changed
    })
    const shown = steps[step](demonstrationOf(service, ask).demonstration)
    await expect(shown).rejects.toThrow(WrongClaim)
    await expect(shown).rejects.toThrow(said)
    expect(lied).not.toEqual([])
  })

  it("the demo fails if a repeat is not marked as a repeat, has another answer, or changes the total", async () => {
    const again = (change: (request: Request) => Promise<Response>): Ask => {
      let lamps = 0
      return async (request) => {
        const isLamp = request.method === "POST" && (await request.clone().text()).includes(`"lamp"`)
        if (isLamp) lamps += 1
        return isLamp && lamps === 2 ? change(request) : service.edge.app.fetch(request)
      }
    }
    const app = service.edge.app
    const unmarked = again(async (request) => new Response((await app.fetch(request)).body, { status: 201 }))
    const different = again(async (request) => {
      const answer = await app.fetch(request)
      return new Response((await answer.text()).replace(`"runningTotal":0.30`, `"runningTotal":1492.74`), answer)
    })
    const counted = again(async (request) => {
      const body = (await request.clone().text()).replace(`"lamp"`, `"lamp-2"`)
      await app.fetch(new Request(request.url, { method: "POST", headers: request.headers, body }))
      return app.fetch(request)
    })
    for (const [ask, said] of [
      [unmarked, "Idempotent-Replayed: came back as 'false'"],
      [different, "the answer is the same as the first time"],
      [counted, "came back as '4', and should be '3'"]
    ] as const) {
      await expect(showRepeat(demonstrationOf(service, ask).demonstration)).rejects.toThrow(said)
    }
  })

  describe("the demo with a worker that is stopped while it applies purchases", () => {
    const purchases = 1_000
    const alone = startedBeforeEach(() => startService({ withoutWorker: true }))
    let worker: TestWorker
    beforeEach(async () => {
      worker = await startWorker(alone.settings)
    })
    afterEach(async () => {
      await worker.stop()
    })
    const kill = async () => {
      await worker.stop()
      return ["worker-1"]
    }
    const start = async () => {
      worker = await startWorker(alone.settings)
    }

    it("the demo fails if no worker starts again", async () => {
      const { demonstration, printed } = demonstrationOf(alone)
      const shown = showKill(demonstration, { kill, start: async () => undefined }, purchases)
      await expect(shown).rejects.toMatchObject({ name: "ProblemError", kind: "not-current" })
      expect(printed.at(-1)).toContain("The worker again")
    })

    it("the demo fails if the feed and the history differ", async () => {
      const lies = () =>
        new TransformStream<string, string>({
          transform: (text, controller) => controller.enqueue(text.replace(`"number":2,`, `"number":3,`))
        })
      const scope = Effect.runSync(Scope.make())
      const port = await Effect.runPromise(Scope.provide(serveHttp(alone.edge.app, "127.0.0.1", 0), scope))
      const { demonstration } = demonstrationOf(alone, async (request) => {
        const { pathname } = new URL(request.url)
        if (!pathname.endsWith("/feed")) return alone.edge.app.fetch(request)
        // Requests for feeds go to a server, because a feed writes to a socket.
        const answer = await fetch(new Request(`http://127.0.0.1:${port}${pathname}`, request))
        const text = answer.body?.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
        return new Response(text?.pipeThrough(lies()).pipeThrough(new TextEncoderStream()) ?? null, answer)
      })
      const shown = showKill(demonstration, { kill, start }, purchases)
      await expect(shown).rejects.toThrow("purchase 2 is numbered 3")
      await Effect.runPromise(Scope.close(scope, Exit.void))
    })
  })
})

describe("the alerts of the demo", () => {
  const alone = startedBeforeEach(() => startService())
  const purchases = 3_000

  /**
   * Runs the step of the demo that shows alerts. The test ends and starts a judge in its own process when the demo asks
   * for that.
   */
  const shownWith = async (ask?: Ask) => {
    let judge = await startJudge(alone.settings)
    const judges = {
      kill: async () => {
        await judge.stop()
        return ["judge-1"]
      },
      start: async () => {
        judge = await startJudge(alone.settings)
      }
    }
    const { demonstration, printed } = demonstrationOf(alone, ask)
    let users = 0
    const demo = {
      ...demonstration,
      newUser: (name: string) => `${name}-${(users += 1)}`,
      client: new PurchaseClient({ url: "http://ledger", fetch: ask ?? appOf, attemptsMax: 8 })
    }
    const shown = showAlerts(demo, judges, purchases)
    return Effect.runPromise(
      Effect.ensuring(
        Effect.tryPromise({ try: () => shown, catch: (cause) => cause }),
        Effect.promise(() => judge.stop())
      )
    ).then(() => printed)
  }
  const appOf: Ask = (request) => alone.edge.app.fetch(request)

  it("the demo shows an alert, and shows that the end of a judge neither loses nor doubles alerts", async () => {
    const printed = await shownWith()
    expect(printed).toContain(` ✓ alerts: ${purchases}`)
    expect(printed.some((line) => line.includes("it was in the middle"))).toBe(true)
  })

  it("the demo fails if a page has an alert twice", async () => {
    const twice: Ask = async (request) => {
      const answer = await appOf(request)
      if (!new URL(request.url).pathname.endsWith("/alerts")) return answer
      const body = (await answer.text()).replace(/"alerts":\[(\{.*?"alertedAt":"[^"]*"\})/, '"alerts":[$1,$1')
      return new Response(body, answer)
    }
    await expect(shownWith(twice)).rejects.toThrow("alerts of two purchases, one of them sent twice")
  })
})
