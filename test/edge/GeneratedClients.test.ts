import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { httpWaits, serveHttp } from "../../src/edge/server/HttpServer.ts"
import { type GeneratedClient, generatedClients } from "../support/GeneratedClient.ts"
import { useService } from "../support/TestService.ts"
import { isInstalled } from "../support/Tool.ts"

/** The time for one client in milliseconds, including the time to fetch its tools. */
const clientMillisecondsMax = 300_000

const scope = Effect.runSync(Scope.make())
const service = useService()
let url: string
let directory: string
beforeAll(async () => {
  url = `http://127.0.0.1:${await Effect.runPromise(Scope.provide(serveHttp(service.edge.app, "127.0.0.1", 0, httpWaits), scope))}`
  directory = await mkdtemp(join(tmpdir(), "generated-clients-"))
  await writeFile(join(directory, "openapi.json"), (await service.get("/openapi.json")).body)
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await rm(directory, { recursive: true })
})

interface Lacking {
  readonly missing: string
  readonly remedy: string
}

/**
 * Returns the tool that this machine lacks for a client. If the variable CI is set, throws the failure to fetch the
 * tool.
 */
const lackingFor = async ({ language, tools, fetch }: GeneratedClient): Promise<Lacking | undefined> => {
  const missing = tools.find((tool) => !isInstalled(tool))
  if (missing !== undefined) {
    return {
      missing: `no ${missing} is installed`,
      remedy: `Install ${missing}, which the client for ${language} needs.`
    }
  }
  try {
    return void (await fetch())
  } catch (failure) {
    if (process.env["CI"] !== undefined) throw failure
    const said = failure instanceof Error ? failure.message.trim().split("\n").at(-1) : String(failure)
    const remedy = "Let the package managers of this machine reach their registries once."
    return { missing: `what the client for ${language} needs could not be fetched (${said})`, remedy }
  }
}

const receipt = async (userId: string, purchaseId: string) => {
  const { body } = await service.get(`/users/${userId}/purchases/${purchaseId}`)
  const [, amounts = ""] = /("value":.*,"total":[^,]*),/.exec(body) ?? []
  const [, sequence = ""] = /"ledgerSequence":([0-9]+)/.exec(body) ?? []
  return { amounts, sequence }
}

describe("a client that is generated from the OpenAPI document", () => {
  it.for(generatedClients)(
    "a generated client for $language compiles, and posts and reads amounts exactly",
    { timeout: clientMillisecondsMax },
    async (client, { skip, task }) => {
      const lacking = await lackingFor(client)
      if (lacking !== undefined) {
        task.meta.skippedFor = {
          tests: `with a client for ${client.language}`,
          because: `${lacking.missing}. ${lacking.remedy}`
        }
        skip(lacking.missing)
      }
      const own = await mkdtemp(join(directory, "client-"))
      const userId = `${client.language}-user`
      await client.make(own, join(directory, "openapi.json"))
      const printed = await client.run(own, url, userId)

      const [small, large, largest] = await Promise.all(["small", "large", "largest"].map((id) => receipt(userId, id)))
      expect([small, large, largest].map((found) => found?.amounts)).toEqual([
        '"value":0.01,"quantity":1,"total":0.01',
        '"value":999999.99,"quantity":1,"total":999999.99',
        '"value":1000000.00,"quantity":10000,"total":10000000000.00'
      ])
      expect(printed.trim().split(/\r?\n/)).toEqual([
        `small is stored: 0.01 x 1 = 0.01, then 0.01; same true; sequence ${small?.sequence}`,
        `large is applied: 999999.99 x 1 = 999999.99, then 1000000.00; same true; sequence ${large?.sequence}`,
        `largest is applied: 1000000.00 x 10000 = 10000000000.00, then 10001000000.00; same true; sequence ${largest?.sequence}`,
        "total: 10001000000.00 of 3",
        "rejected: 404"
      ])
    }
  )
})
