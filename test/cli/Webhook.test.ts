import { describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { serve } from "../support/TestServer.ts"
import { useService } from "../support/TestService.ts"
import { AlertEndpoint, answer } from "../webhook/AlertEndpoint.ts"
import { DelivererRun } from "../webhook/DelivererRun.ts"
import { purchasesAt } from "./Cli.ts"

const service = useService({ withoutWorker: true, environment: { TEST_WEBHOOK_LOOPBACK: "yes" } })
const server = startedBeforeAll(async () => {
  const { port, close } = await serve(service.edge.app)
  return { port, stop: close }
})
const endpoint = startedBeforeAll(() => AlertEndpoint.start())
const judge = startedBeforeAll(async () => {
  const run = new DelivererRun(service.broker.url, "ann")
  await run.start()
  return run
})

const purchases = (...words: ReadonlyArray<string>) => purchasesAt(`http://127.0.0.1:${server.port}`, ...words)
const webhook = (...words: ReadonlyArray<string>) => purchases("webhook", ...words)

describe("purchases webhook", () => {
  it("a webhook is set with a secret that is shown once, and tested, switched off, resumed and removed", async () => {
    const set = await webhook("set", "ann", endpoint.url)
    expect(set.out).toMatch(/^secret +whsec_[A-Za-z0-9+/]{43}=$/m)
    const show = await webhook("show", "ann")
    expect(show.out).toMatch(/^state +delivering$/m)
    expect(show.out).not.toContain("whsec_")
    expect(await webhook("test", "ann")).toEqual({ code: 0, out: "delivered, with the status 204\n", error: "" })
    expect((await webhook("set", "ann", "--off")).out).toMatch(/^state +off$/m)
    expect((await webhook("resume", "ann")).out).toMatch(/^state +delivering$/m)
    const roll = await webhook("roll", "ann")
    expect(roll.out).toMatch(/^whsec_\S+\nThe old secret signs too until .* UTC\.\n$/)
    expect(await webhook("remove", "ann")).toEqual({ code: 0, out: "the webhook of ann is removed\n", error: "" })
    expect((await webhook("show", "ann")).code).toBe(1)
  })

  it("a dead letter is listed and delivered again, and a failed delivery ends the command with 1", async () => {
    await webhook("set", "ann", endpoint.url)
    endpoint.answerWith(answer(422, {}, "no such purchase"))
    const id = await judge.alert()
    await until("it is dead", async () => (await webhook("dead", "ann")).out.includes("no such purchase"))
    expect((await webhook("dead", "ann")).out.trim()).toMatch(
      new RegExp(`^${id}  .* UTC  The endpoint answered with the status 422\\. no such purchase$`)
    )
    const failed = await webhook("again", "ann", id)
    expect(failed.code).toBe(1)
    expect(failed.error).toContain("The endpoint answered with the status 422.")
    endpoint.answerWith(answer(204))
    expect((await webhook("again", "ann", id)).out).toBe("delivered, with the status 204\n")
    expect((await webhook("dead", "ann")).out).toBe("ann has no dead letters.\n")
  })

  it("a URL that is not allowed is refused with its reason", async () => {
    const refused = await webhook("set", "ann", "http://169.254.169.254/")
    expect(refused).toMatchObject({
      code: 1,
      error: expect.stringContaining("is not an address of the public internet")
    })
  })
})
