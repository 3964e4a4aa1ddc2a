import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { wrongToken } from "../../../src/edge/access/Access.ts"
import { everybody } from "../../../src/edge/access/Caller.ts"
import { isProblem } from "../../../src/edge/contract/Problem.ts"
import { WrongTokens } from "../../../src/edge/limits/WrongTokens.ts"
import { makeApp } from "../../../src/edge/server/App.ts"
import { serve, type TestServer } from "../../support/TestServer.ts"
import { bearer } from "../../support/TestTokens.ts"

describe("the bound of wrong tokens", () => {
  const guesser = "203.0.113.7"
  let now: number
  let wrongTokens: WrongTokens
  beforeEach(() => {
    now = 1_000_000
    wrongTokens = new WrongTokens(3, () => now)
  })
  const guess = (network = guesser, count = 3): void => {
    for (let number = 0; number < count; number += 1) wrongTokens.wasWrong(network)
  }
  const isRefused = (network = guesser, token = "guess"): boolean =>
    isProblem(wrongTokens.problemOf(network, token) ?? {})

  it("a network may send wrong tokens up to the bound, and is then refused for a minute", () => {
    guess(guesser, 2)
    expect(isRefused()).toBe(false)
    guess(guesser, 1)
    now += 20_000
    expect(wrongTokens.problemOf(guesser, "guess")).toMatchObject({
      status: 429,
      headers: { "retry-after": "40", ratelimit: '"wrong-tokens";r=0;t=40' }
    })
    now += 40_000
    expect(isRefused()).toBe(false)
    guess()
    expect(isRefused()).toBe(true)
  })

  it("while a network with too many wrong tokens is refused, another network is not refused", () => {
    guess()
    expect(isRefused("203.0.113.8")).toBe(false)
  })

  it("a token that was right before is still looked up from its own network, and from no other network", () => {
    wrongTokens.wasRight(guesser, "right")
    guess()
    guess("203.0.113.8")
    expect(isRefused(guesser, "right")).toBe(false)
    expect(isRefused(guesser, "other")).toBe(true)
    expect(isRefused("203.0.113.8", "right")).toBe(true)
  })

  it("the numbers of networks and of right tokens in memory are bounded, and the oldest ones are dropped", () => {
    wrongTokens.wasRight(guesser, "right")
    for (let number = 0; number < 20_000; number += 1) wrongTokens.wasRight(guesser, `right ${number}`)
    guess()
    expect(isRefused(guesser, "right 19999")).toBe(false)
    expect(isRefused(guesser, "right")).toBe(true)
    for (let number = 0; number < 70_000; number += 1) wrongTokens.wasWrong(`network ${number}`)
    expect(isRefused()).toBe(false)
  })
})

describe("an edge to which a caller sends wrong tokens", () => {
  let server: TestServer
  let asked: Array<string> = []
  beforeAll(async () => {
    const app = makeApp({
      runPromiseExit: (effect, options) => Effect.runPromiseExit(effect as Effect.Effect<never>, options),
      isDraining: () => false,
      wrongTokensMax: 3,
      access: {
        isReady: () => true,
        identify: (token) => {
          asked.push(token)
          return token.startsWith("right") ? everybody : wrongToken("This token does not exist.")
        },
        onEnd: () => () => undefined,
        audit: () => Promise.resolve(true)
      }
    })
    server = await serve(app)
  })
  afterAll(() => server.close())

  const statusOf = async (path: string, init: RequestInit): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, init)
    await answer.text()
    return answer.status
  }
  const session = (token: string) => statusOf("/session", { headers: bearer(token) })

  it("an edge looks up no further token of the caller's address, except a token that was right before", async () => {
    expect(await session("right")).toBe(200)
    expect(await statusOf("/users/ann/total", {})).toBe(401)
    expect(await statusOf("/users/ann/total", { headers: bearer("wrong1") })).toBe(401)
    expect(await session("wrong2")).toBe(200)
    const begun = { method: "POST", headers: { "content-type": "application/json" } }
    expect(await statusOf("/session", { ...begun, body: '{"token":"wrong3"}' })).toBe(401)
    asked = []
    expect(await statusOf("/users/ann/total", { headers: bearer("wrong4") })).toBe(429)
    expect(await session("wrong5")).toBe(429)
    expect(await session("right-too")).toBe(429)
    expect(await statusOf("/session", { ...begun, body: '{"token":"wrong6"}' })).toBe(429)
    expect(asked).toEqual([])
    expect(await session("right")).toBe(200)
    expect(await statusOf("/livez", {})).toBe(200)
    expect(asked).toEqual(["right"])
  })
})
