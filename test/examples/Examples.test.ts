import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PurchaseClient } from "../../src/client/index.ts"
import { projectRoot, until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { useService } from "../support/TestService.ts"

const service = useService()
const directory = mkdtempSync(join(tmpdir(), "examples-"))
let server: TestServer
let url: string
let client: PurchaseClient
beforeAll(async () => {
  server = await serve(service.edge.app, {}, "", {})
  url = `http://127.0.0.1:${server.port}`
  client = new PurchaseClient({ url })
})
afterAll(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

const node = join(projectRoot, "node_modules/.bin/node")
const programOf = (name: string): string => join(projectRoot, "examples", `${name}.ts`)

interface Ended {
  readonly code: number
  readonly out: string
  readonly error: string
}

/** Runs an example for the service at a URL, until it ends. */
const run = (name: string, words: ReadonlyArray<string>, at = url): Promise<Ended> =>
  new Promise((resolve) => {
    const env = { ...process.env, PURCHASES_URL: at }
    execFile(node, [programOf(name), ...words], { cwd: projectRoot, env }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error })
    )
  })

const totalOf = async (userId: string): Promise<string> => {
  const { total, purchaseCount } = await client.total(userId)
  return `${total} in ${purchaseCount}`
}

/** Starts a proxy that passes each post on, and loses the first `lost` answers. */
const startLossyProxy = async (lost: number) => {
  let posts = 0
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ""
    for await (const chunk of request) body += String(chunk)
    const { method = "GET", headers, url: path = "/" } = request
    const { "content-type": type, prefer } = headers
    const answer = await fetch(url + path, {
      method,
      headers: {
        ...(type === undefined ? {} : { "content-type": type }),
        ...(prefer === undefined ? {} : { prefer: String(prefer) })
      },
      ...(method === "POST" ? { body } : {})
    })
    const text = await answer.text()
    if (method === "POST") posts += 1
    if (method === "POST" && posts <= lost) return void request.socket.destroy()
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" })
    response.end(text)
  }
  const proxy = createServer((request, response) => void pass(request, response))
  proxy.listen(0, "127.0.0.1")
  await once(proxy, "listening")
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    posts: () => posts,
    stop: async () => {
      proxy.closeAllConnections()
      proxy.close()
      await once(proxy, "close")
    }
  }
}

describe("the checkout of a web shop", () => {
  const booked = {
    code: 0,
    out: "Lamp: 25.00 is applied\nDesk: 249.99 is applied\nThank you. hana has bought for 274.99 in all.\n",
    error: ""
  }

  it("a cart counts once, although answers get lost and the customer presses the button twice", async () => {
    const proxy = await startLossyProxy(3)
    expect(await run("checkout", ["cart-1"], proxy.url)).toEqual(booked)
    expect(proxy.posts()).toBe(5)
    await proxy.stop()
    expect(await run("checkout", ["cart-1"])).toEqual(booked)
    expect(await totalOf("hana")).toBe("274.99 in 2")
  })

  it("a cart that the ledger refuses ends with 1, and the customer reads the reason", async () => {
    const { code, out } = await run("checkout", ["cart/1"])
    expect(code).toBe(1)
    expect(out).toMatch(/^Lamp: refused\. .*purchaseId.*\nDesk: refused\. .*\n$/)
  })
})

describe("the nightly import of a CSV file", () => {
  it("the orders of a file count once if the file comes twice, and the sum is exact", async () => {
    const stored = { code: 0, out: "3 of 3 orders of examples/orders.csv are stored\n", error: "" }
    expect(await run("nightly-import", [])).toEqual(stored)
    expect(await run("nightly-import", [])).toEqual(stored)
    expect([await totalOf("finn"), await totalOf("gina")]).toEqual(["274.99 in 2", "5.00 in 1"])
  })

  it("an order that cannot be stored is named with its reason, and all other orders are stored", async () => {
    const file = join(directory, "orders.csv")
    writeFileSync(
      file,
      `order,userId,productName,productType,price,quantity
n-1,ivo,Lamp,Office,12.50,2
n-2,ivo,Lamp,Office,"12,50",2
n-3,ivo,Lamp,Office,12.50,0
n-4,ivo,Lamp,Office,0.29,1
`
    )
    const { code, out, error } = await run("nightly-import", [file])
    expect({ code, out }).toEqual({ code: 1, out: `2 of 4 orders of ${file} are stored\n` })
    expect(error).toMatch(/^n-2 is refused: 12,50 is no decimal .*\nn-3 is refused: .*quantity.*\n$/)
    expect(await totalOf("ivo")).toBe("25.29 in 2")
  })
})

describe("the follower of the feed that keeps its place in SQLite", () => {
  /** Starts the follower. Returns a function that ends the follower by SIGKILL. */
  const follow = (file: string) => {
    const env = { ...process.env, PURCHASES_URL: url }
    const child = spawn(node, [programOf("feed-into-sqlite"), file], { env, stdio: ["ignore", "ignore", "pipe"] })
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => void (said += chunk.toString()))
    const ended = once(child, "exit")
    return {
      said: () => said,
      ended,
      kill: async () => {
        child.kill("SIGKILL")
        await ended
      }
    }
  }

  const entriesIn = (file: string): ReadonlyArray<string> => {
    try {
      const database = new DatabaseSync(file, { readOnly: true })
      const rows = database.prepare("SELECT purchaseId FROM entries WHERE userId LIKE 'sql-%' ORDER BY rowid").all()
      database.close()
      return rows.map(({ purchaseId }) => String(purchaseId))
    } catch {
      return []
    }
  }

  const sumIn = (file: string, userId: string): unknown => {
    const database = new DatabaseSync(file, { readOnly: true })
    const row = database
      .prepare("SELECT sum(cents) AS cents, count(*) AS count FROM entries WHERE userId = ?")
      .get(userId)
    database.close()
    return row
  }

  const purchasesFrom = (user: string, first: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({
      purchaseId: `${user}-${first + index}`,
      userId: user,
      productName: "Lamp",
      productType: "Office",
      value: "0.29",
      quantity: 1
    }))

  it("a follower that is killed again and again in the middle of its work loses no entry and doubles none", async () => {
    const file = join(directory, "killed.sqlite")
    const posted = (async () => {
      for (let first = 1; first <= 1_000; first += 25) {
        for await (const { outcome } of client.postAll(purchasesFrom("sql-ann", first, 25), { waitSeconds: 10 })) {
          expect(outcome.status).toBe("applied")
        }
      }
    })()
    // Without the posts no further entry would come, and the test would wait without saying why.
    const refused = posted.then(() => new Promise<never>(() => undefined))
    for (let kills = 1; kills <= 4; kills += 1) {
      const before = entriesIn(file).length
      const follower = follow(file)
      const areThere = async () => entriesIn(file).length > before || before >= 1_000
      await Promise.race([until(`entries are there, for kill ${kills}`, areThere), refused])
      await follower.kill()
    }
    await posted
    const follower = follow(file)
    await until("all entries are there", async () => entriesIn(file).length >= 1_000)
    await follower.kill()
    expect(follower.said()).toBe("")
    expect(new Set(entriesIn(file)).size).toBe(1_000)
    expect(sumIn(file, "sql-ann")).toEqual({ cents: 29_000, count: 1_000 })
  }, 60_000)

  it("a follower that fails between the entries and the place of an event keeps neither of them", async () => {
    const file = join(directory, "failed.sqlite")
    const first = follow(file)
    await until("the tables are there", async () => entriesIn(file).length > 0)
    await first.kill()
    const database = new DatabaseSync(file)
    database.exec("DELETE FROM entries; UPDATE place SET id = '0'")
    database.exec(
      "CREATE TRIGGER cut BEFORE INSERT ON entries WHEN NEW.userId = 'sql-bob' BEGIN SELECT RAISE(ABORT, 'power cut'); END"
    )
    const [one] = purchasesFrom("sql-bob", 1, 1)
    if (one !== undefined) await client.post(one, { waitSeconds: 10 })
    const failed = follow(file)
    expect(await failed.ended).toEqual([1, null])
    expect(failed.said()).toContain("power cut")
    expect(sumIn(file, "sql-bob")).toEqual({ cents: null, count: 0 })
    database.exec("DROP TRIGGER cut")
    database.close()
    const again = follow(file)
    await until("the entry is there", async () => entriesIn(file).includes("sql-bob-1"))
    await again.kill()
    expect(sumIn(file, "sql-bob")).toEqual({ cents: 29, count: 1 })
    expect(sumIn(file, "sql-ann")).toEqual({ cents: 29_000, count: 1_000 })
  }, 60_000)
})
