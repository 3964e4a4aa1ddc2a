import { Context, Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { NotCurrent, QueryClient } from "../../src/asking/QueryClient.ts"
import { exportsOpenMax } from "../../src/edge/runtime/OpenExports.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { commitByHand } from "../support/CommitByHand.ts"
import { reversedAccount } from "../support/ReversedAccount.ts"
import { open, rest, serve, type TestServer } from "../support/TestServer.ts"
import { appOn, purchaseText, refusal, useService } from "../support/TestService.ts"

const service = useService()
const path = "/users/ex@port/export"
const header =
  "number,kind,purchaseId,productName,productType,value,quantity,amount,runningTotal,storedAt,reversalId,reason\r\n"

/** Returns an amount of an answer in cents, without a float. */
const centsOf = (text: string) => BigInt(text.replace(".", ""))
const sumOf = (amounts: ReadonlyArray<string>) => amounts.reduce((sum, amount) => sum + centsOf(amount), 0n)
const rowsOf = (csv: string) => csv.split("\r\n").slice(1, -1)

const totalOf = async (userId: string) =>
  /"total":([0-9.]+),/.exec((await service.get(`/users/${userId}/total`)).body)?.[1] ?? ""

beforeAll(async () => {
  for (const [purchaseId, productName, value] of [
    ["e1", "Lamp, large", 0.1],
    ["e2", "=1+1", 12.5],
    ["-e3", "Desk", 999_999.99]
  ] as const) {
    expect((await service.post(purchaseText({ userId: "ex@port", purchaseId, productName, value }))).status).toBe(202)
  }
  await service.get("/generate/2500/many")
  await totalOf("many")
})

describe("an export", () => {
  it("a history is exported as CSV with safe texts, exact amounts and the name of a file", async () => {
    const { status, headers, body } = await service.get(path)
    expect({ status, headers }).toEqual({
      status: 200,
      headers: {
        "cache-control": "no-store",
        "content-disposition": `attachment; filename="purchases-ex@port.csv"; filename*=UTF-8''purchases-ex%40port.csv`,
        "content-type": "text/csv; charset=utf-8; header=present"
      }
    })
    expect(body.startsWith(header)).toBe(true)
    expect(rowsOf(body).map((row) => row.replace(/[^,]*T[^,]*Z/, "…"))).toEqual([
      '1,purchase,e1,"Lamp, large",Office,0.10,2,0.20,0.20,…,,',
      "2,purchase,e2,'=1+1,Office,12.50,2,25.00,25.20,…,,",
      "3,purchase,'-e3,Desk,Office,999999.99,2,1999999.98,2000025.18,…,,"
    ])
  })

  it("a history is exported as NDJSON, with the same entries as the pages of the history", async () => {
    const { body, headers } = await service.get(`${path}?format=ndjson`)
    expect(headers["content-type"]).toBe("application/x-ndjson")
    expect(headers["content-disposition"]).toContain(`filename="purchases-ex@port.ndjson"`)
    const page = (await service.get("/users/ex@port/purchases?order=oldest")).body
    expect(`[${body.trimEnd().replaceAll("\n", ",")}]`).toBe(/"purchases":(\[.*\])/.exec(page)?.[1])
  })

  it.each([
    [undefined, "", "text/csv; charset=utf-8; header=present"],
    ["*/*", "", "text/csv; charset=utf-8; header=present"],
    ["text/csv", "", "text/csv; charset=utf-8; header=present"],
    ["application/x-ndjson", "", "application/x-ndjson"],
    ["application/*", "", "application/x-ndjson"],
    ["text/csv;q=0.5, application/x-ndjson", "", "application/x-ndjson"],
    ["text/csv", "?format=ndjson", "application/x-ndjson"]
  ])("a request that accepts %s with the query '%s' gets %s", async (accept, query, type) => {
    const answer = await service.get(`${path}${query}`, accept === undefined ? {} : { accept })
    expect(answer.headers["content-type"]).toBe(type)
  })

  it("an export refuses a format other than csv and ndjson", async () => {
    const { status } = await service.get(path, { accept: "application/json" })
    expect(status).toBe(406)
    expect(await service.get(`${path}?format=xls`)).toEqual(
      refusal("malformed-request", "format must be csv or ndjson.", path)
    )
  })

  it("the sum of the rows of an export is the total, over several pages and in both formats", async () => {
    const total = centsOf(await totalOf("many"))
    const csv = rowsOf((await service.get("/users/many/export")).body)
    expect(csv).toHaveLength(2_500)
    expect(csv.map((row) => Number(row.split(",")[0]))).toEqual(Array.from({ length: 2_500 }, (_, index) => index + 1))
    expect(sumOf(csv.map((row) => row.split(",")[7] ?? ""))).toBe(total)
    expect(centsOf(csv.at(-1)?.split(",")[8] ?? "")).toBe(total)
    const lines = (await service.get("/users/many/export?format=ndjson")).body.trimEnd().split("\n")
    expect(sumOf(lines.map((line) => /"total":([0-9.]+),/.exec(line)?.[1] ?? ""))).toBe(total)
  })

  it("an export has the entries that meet its filters, in the order that the request asks for", async () => {
    const rows = rowsOf((await service.get("/users/many/export?after=1200&before=2300&order=newest")).body)
    expect(rows.map((row) => Number(row.split(",")[0]))).toEqual(
      Array.from({ length: 1_099 }, (_, index) => 2_299 - index)
    )
    const products = rowsOf((await service.get(`${path}?product=Desk`)).body)
    expect(products.map((row) => row.split(",")[2])).toEqual(["'-e3"])
  })

  it("an export has reversals as rows of their own, with negative amounts", async () => {
    const user = userIn(0, service.settings.partitions, "reversed")
    const sequences: Array<number> = []
    for (const line of reversedAccount(user)) {
      sequences.push(await commitByHand(service.client, service.settings.partitions, [line(sequences)]))
    }
    const csv = rowsOf((await service.get(`/users/${user}/export`)).body).map((row) => row.split(","))
    expect(csv.map((row) => [row[1], row[2], row[6], row[7], row[8], row[10], row[11]])).toEqual([
      ["purchase", "p1", "3", "70.35", "70.35", "", ""],
      ["purchase", "p2", "1", "10.00", "80.35", "", ""],
      ["reversal", "p1", "1", "-23.45", "56.90", "r1", "broken"],
      ["purchase", "p3", "1", "1.00", "57.90", "", ""],
      ["reversal", "p1", "2", "-46.90", "11.00", "r2", "never arrived"]
    ])
    const total = centsOf(await totalOf(user))
    expect(sumOf(csv.map((row) => row[7] ?? ""))).toBe(total)
    const lines = (await service.get(`/users/${user}/export?format=ndjson`)).body.trimEnd().split("\n")
    expect(sumOf(lines.map((line) => /"total":(-?[0-9.]+),/.exec(line)?.[1] ?? ""))).toBe(total)
    expect(lines[2]).toContain('"kind":"reversal","reversalId":"r1"')
    const filtered = JSON.parse((await service.get(`/users/${user}/purchases?after=2&order=oldest`)).body) as {
      purchases: ReadonlyArray<{ number: number; kind?: string }>
    }
    expect(filtered.purchases.map(({ number, kind }) => [number, kind])).toEqual([
      [3, "reversal"],
      [4, undefined],
      [5, "reversal"]
    ])
  })

  it("the export of an unknown user has no rows", async () => {
    expect((await service.get("/users/nobody/export")).body).toBe(header)
    expect((await service.get("/users/nobody/export?format=ndjson")).body).toBe("")
  })
})

describe("an export over a socket", () => {
  /** The number of pages that are answered before all further questions fail. */
  let pagesMax = Number.POSITIVE_INFINITY
  let pagesAsked = 0
  let server: TestServer

  beforeAll(async () => {
    const client = Context.get(service.edge.services, QueryClient)
    const failing = QueryClient.of({
      ask: (question, options) => {
        if (question.kind !== "search") return client.ask(question, options)
        pagesAsked += 1
        return pagesAsked > pagesMax
          ? Effect.fail(new NotCurrent({ waitedMilliseconds: 1 }))
          : client.ask(question, options)
      }
    })
    server = await serve(appOn(Context.add(service.edge.services, QueryClient, failing)))
  })
  afterAll(async () => {
    await server.close()
  })
  const exported = (query = "") => fetch(`http://127.0.0.1:${server.port}/users/many/export${query}`)

  it.each(["", "?format=ndjson"])("an export%s that breaks in the middle does not look complete", async (query) => {
    ;[pagesAsked, pagesMax] = [0, 2]
    const answer = await exported(query)
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow()
    pagesMax = Number.POSITIVE_INFINITY
    expect((await (await exported(query)).text()).split("\n").length).toBeGreaterThan(2_500)
  })

  it("the body of an export that breaks off has no end, and no text about the failure", async () => {
    ;[pagesAsked, pagesMax] = [0, 2]
    const socket = await open(server.port)
    socket.on("error", () => undefined)
    socket.write("GET /users/many/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    const text = await rest(socket)
    pagesMax = Number.POSITIVE_INFINITY
    expect({
      isChunked: /^transfer-encoding: chunked\r$/im.test(text),
      hasTwoPages: text.includes("\r\n2000,purchase,"),
      hasEnd: text.endsWith("0\r\n\r\n"),
      hasFailure: text.includes("Error")
    }).toEqual({ isChunked: true, hasTwoPages: true, hasEnd: false, hasFailure: false })
  })

  it("an export whose first page cannot be read is answered with a problem", async () => {
    ;[pagesAsked, pagesMax] = [0, 0]
    const answer = await exported()
    pagesMax = Number.POSITIVE_INFINITY
    expect(answer.status).toBe(504)
    await answer.text()
  })

  it("an export reads no further pages while its caller takes nothing, and stops when the caller leaves", async () => {
    await service.get("/generate/100000/huge")
    await totalOf("huge")
    pagesAsked = 0
    const leave = new AbortController()
    const answer = await fetch(`http://127.0.0.1:${server.port}/users/huge/export`, { signal: leave.signal })
    let seen = -1
    await until("no further page is read", () => {
      const isQuiet = pagesAsked === seen
      seen = pagesAsked
      return isQuiet
    })
    expect(pagesAsked).toBeLessThan(100)
    leave.abort()
    await answer.text().catch(() => undefined)
  })

  it("an edge refuses an export above its bound, and takes a further export when another has ended", async () => {
    const leave = new AbortController()
    const url = `http://127.0.0.1:${server.port}/users/huge/export`
    const begun = await Promise.all(Array.from({ length: exportsOpenMax }, () => fetch(url, { signal: leave.signal })))
    expect(begun.map(({ status }) => status)).toEqual(begun.map(() => 200))
    const refused = await exported()
    expect({ status: refused.status, body: await refused.text() }).toMatchObject({
      status: 503,
      body: expect.stringContaining(`This edge writes ${exportsOpenMax} exports already.`)
    })
    leave.abort()
    await until("an export is taken again", async () => {
      const again = await exported()
      await again.text()
      return again.status === 200
    })
  })
})
