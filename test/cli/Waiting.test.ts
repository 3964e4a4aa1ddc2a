import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { freePort } from "../../src/harness/system/TestBroker.ts"
import { notNow, purchasesAt, startAnswering } from "./Cli.ts"

type Answering = Awaited<ReturnType<typeof startAnswering>>

const retryLine = /^purchases: .+ Trying again until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(--timeout \d+\)\.\n/

describe("a service that cannot serve a request now", () => {
  let unavailable: Answering
  beforeAll(async () => {
    unavailable = await startAnswering((_request, response) => {
      response.writeHead(503, { "content-type": "application/problem+json" })
      response.end(notNow("The broker is away."))
    })
  })
  afterAll(() => unavailable.stop())

  it("a busy service is asked again for the time of --timeout, and then the command ends with 3", async () => {
    const { code, out, error } = await purchasesAt(unavailable.url, "--timeout", "1", "total", "ann")
    expect({ code, out }).toEqual({ code: 3, out: "" })
    expect(error).toMatch(retryLine)
    expect(error.split("\n").slice(1)).toEqual(["purchases: The broker is away. Given up after 1 s.", ""])
  })

  it("if a busy service may have stored a post, the command prints the id for sending the post again", async () => {
    const post = ["--timeout", "1", "post", "ann", "Lamp", "12.50"]
    const { code, error } = await purchasesAt(unavailable.url, ...post)
    expect(code).toBe(3)
    expect(error).toMatch(/\nSend it again with --id [0-9a-f-]{36}: it counts once, also if it is stored already\.\n$/)
    expect((await purchasesAt(unavailable.url, ...post, "--id", "order 1")).error).toContain("--id 'order 1'")
  })

  it("the command feed ends with 3 if the service stays busy", async () => {
    expect((await purchasesAt(unavailable.url, "--timeout", "1", "feed")).code).toBe(3)
  })
})

describe("a service that does not answer", () => {
  it("a command waits no longer than --timeout for a silent service, and ends with 3", async () => {
    const silent = await startAnswering(() => undefined)
    const isGivenUp = async (command: string) => {
      const { code, error } = await purchasesAt(silent.url, "--timeout", "1", ...command.split(" "))
      expect({ command, code }).toEqual({ command, code: 3 })
      expect(error).toContain("The service did not answer within 1 s.")
    }
    await Promise.all(["total ann", "status", "feed", "generate 3 ann"].map(isGivenUp))
    await silent.stop()
  })
})

describe("an address at which nobody listens", () => {
  it("the message about a refused connection has the address, and no name of a function of the program", async () => {
    const port = await freePort()
    const { code, error } = await purchasesAt(`http://127.0.0.1:${port}`, "--timeout", "1", "total", "ann")
    expect(code).toBe(3)
    const reason = `connect ECONNREFUSED 127.0.0.1:${port}`
    expect(error).toContain(`purchases: The service cannot be reached: ${reason}. Is it started? Trying again`)
  })
})

describe("another program that answers", () => {
  it("an answer that is not from the service is reported as foreign, and the command ends with 3", async () => {
    const foreign = await startAnswering((_request, response) => response.end("<html>"))
    const { code, error } = await purchasesAt(foreign.url, "total", "ann")
    expect({ code, error }).toEqual({
      code: 3,
      error: "purchases: /users/ann/total was answered with 200 and not by this service. Is the address right?\n"
    })
    await foreign.stop()
  })
})
