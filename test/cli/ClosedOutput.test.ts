import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { useService } from "../support/TestService.ts"
import { shellAt } from "./Cli.ts"

const service = useService()
let url: string
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  url = `http://127.0.0.1:${await Effect.runPromise(Scope.provide(serveHttp(service.edge.app, "127.0.0.1", 0), scope))}`
  await new PurchaseClient({ url }).generate(3_000, "bob")
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

describe("a command whose reader has gone", () => {
  it("a command ends without a message if the program that reads its output has ended", async () => {
    const { code, out, error } = await shellAt(url, '"$PURCHASES" history bob --all | head -3')
    expect({ code, error }).toEqual({ code: 141, error: "" })
    expect(out.trim().split("\n")).toHaveLength(3)
  })

  it("the command feed ends without a message if the program that reads its output has ended", async () => {
    const { code, out, error } = await shellAt(url, '"$PURCHASES" feed --after 0 | head -1')
    expect({ code, error }).toEqual({ code: 141, error: "" })
    expect(out.trim().split("\n")).toHaveLength(1)
  })

  it("a command whose output cannot be written ends with 1 and the reason in one line", async () => {
    const { code, error } = await shellAt(url, '"$PURCHASES" total bob >/dev/full')
    expect(code).toBe(1)
    expect(error).toMatch(/^purchases: The output could not be written: .*ENOSPC.*\.\n$/)
  })

  it("a command ends with 0 if it has written everything before the program that reads its output ends", async () => {
    expect(await shellAt(url, '"$PURCHASES" total bob | cat')).toMatchObject({ code: 0, error: "" })
  })
})
