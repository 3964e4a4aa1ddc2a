import { execFile, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { useService } from "../support/TestService.ts"

/** The path of Node 20 on this machine; an empty text if it is not installed. */
const node20 =
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "node"))
    .find((node) => spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.startsWith("v20.")) ?? ""

const program = `
  import { PurchaseClient } from "./client/PurchaseClient.mjs"

  const client = new PurchaseClient({ url: process.argv[2] })
  const lamp = { userId: "ann", productName: "La\\"mp", productType: "Office", value: "999999.99", quantity: 100 }
  const posted = await client.post(lamp, { waitSeconds: 10 })
  await client.post({ ...lamp, purchaseId: posted.purchaseId }, { waitSeconds: 10 })
  const many = Array.from({ length: 3_000 }, (_, number) => ({ ...lamp, userId: "bob", purchaseId: "p" + number }))
  let stored = 0
  for await (const { outcome } of client.postAll(many)) if (outcome.status === "stored") stored += 1
  const { value: entry } = await client.history("ann").next()
  const { value: event } = await client.feed({ userId: "ann", after: "0" }).next()
  console.log(JSON.stringify({
    runningTotal: posted.runningTotal,
    total: await client.total("ann"),
    stored,
    many: await client.total("bob"),
    entry: entry.total,
    receipt: (await client.receipt("ann", posted.purchaseId)).value,
    event: event.applied.purchases[0].runningTotal
  }))
  process.exit()
`

let url: string
let directory: string
const scope = Effect.runSync(Scope.make())

describe.skipIf(node20 === "")(`the client on Node 20 (${node20 || "there is not one in PATH"})`, () => {
  const service = useService()
  beforeAll(async () => {
    url = `http://127.0.0.1:${await Effect.runPromise(Scope.provide(serveHttp(service.edge.app, "127.0.0.1", 0), scope))}`
    directory = mkdtempSync(join(tmpdir(), "client-"))
    mkdirSync(join(directory, "client"))
    const sources = join(projectRoot, "src/client")
    for (const name of readdirSync(sources)) {
      const script = stripTypeScriptTypes(readFileSync(join(sources, name), "utf8"))
      writeFileSync(
        join(directory, "client", name.replace(/ts$/, "mjs")),
        script.replaceAll(/(from "\.\/\w+)\.ts"/g, '$1.mjs"')
      )
    }
    writeFileSync(join(directory, "program.mjs"), program)
  })
  afterAll(async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(directory, { recursive: true })
  })

  it("the client on Node 20 stores purchases once, and reads exact amounts in every answer", async () => {
    const { stdout } = await promisify(execFile)(node20, [join(directory, "program.mjs"), url])
    expect(JSON.parse(stdout)).toEqual({
      runningTotal: "99999999.00",
      total: expect.objectContaining({ total: "99999999.00", purchaseCount: 1 }),
      stored: 3_000,
      many: expect.objectContaining({ total: "299999997000.00", purchaseCount: 3_000 }),
      entry: "99999999.00",
      receipt: "999999.99",
      event: "99999999.00"
    })
  })
})
