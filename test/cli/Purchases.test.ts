import { execFile } from "node:child_process"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { serveHttp } from "../../src/edge/server/HttpServer.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { projectRoot, until } from "../../src/harness/system/TestBroker.ts"
import { serve } from "../support/TestServer.ts"
import { startService, useService } from "../support/TestService.ts"

const service = useService()
let url: string
const scope = Effect.runSync(Scope.make())
beforeAll(async () => {
  const port = await Effect.runPromise(Scope.provide(serveHttp(service.edge.app, "127.0.0.1", 0), scope))
  url = `http://127.0.0.1:${port}`
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
})

interface Ended {
  readonly code: number
  readonly out: string
  readonly error: string
}

const purchases = (...words: ReadonlyArray<string>): Promise<Ended> =>
  new Promise((resolve) => {
    const environment = { ...process.env, PURCHASES_URL: url }
    execFile(join(projectRoot, "scripts/purchases"), words, { env: environment }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error })
    )
  })

const done = (out: string): Ended => ({ code: 0, out, error: "" })

describe("scripts/purchases", () => {
  it("the command line posts a purchase once, and shows the purchase in total, history and receipt", async () => {
    const post = ["post", "ann", "Lamp", "12.50", "--id", "order-1", "--quantity", "2", "--wait", "10"]
    const posted = done("order-1 of 25.00 is applied; the total is 25.00\n")
    expect(await purchases(...post)).toEqual(posted)
    expect(await purchases(...post)).toEqual(posted)
    expect(await purchases("total", "ann")).toEqual(done("25.00 USD in 1 purchase\n"))
    const total = `{"userId":"ann","total":"25.00","currency":"USD","purchaseCount":1,"reversalCount":0,"known":true}\n`
    expect(await purchases("--json", "total", "ann")).toEqual(done(total))
    const { out } = await purchases("history", "ann")
    expect(out).toMatch(/^ +1 .* 2 × Lamp .*= +25\.00 .*order-1\n$/)
    expect((await purchases("receipt", "ann", "order-1")).out).toContain("runningTotal       25.00\n")
  })

  it("the command line says that no purchase was ever applied of a user that was never seen", async () => {
    const neverSeen = done("nobody was never seen: no purchase of this user was ever applied.\n")
    expect(await purchases("total", "nobody")).toEqual(neverSeen)
    expect(await purchases("history", "nobody")).toEqual(neverSeen)
    expect(await purchases("--json", "history", "nobody")).toEqual(done(""))
  })

  it("the command line prints the entries of a history that meet the filters in its flags", async () => {
    for (const [product, type, id] of [
      ["Lamp", "Office", "h1"],
      ["Desk", "Office", "h2"],
      ["Lamp", "Home", "h3"]
    ] as const) {
      await purchases("post", "hal", product, "12.50", "--type", type, "--id", id, "--wait", "10")
    }
    const ids = async (...flags: ReadonlyArray<string>) => {
      const { out } = await purchases("--json", "history", "hal", ...flags)
      return out
        .split("\n")
        .flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { purchaseId: string }).purchaseId]))
    }
    expect(await ids("--oldest")).toEqual(["h1", "h2", "h3"])
    expect(await ids("--product", "Lamp")).toEqual(["h3", "h1"])
    expect(await ids("--type", "Office", "--after", "1", "--before", "3")).toEqual(["h2"])
    expect(await ids("--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z")).toEqual([])
    expect(await purchases("history", "hal", "--product", "Chair")).toEqual(done("No purchase of hal fits.\n"))
  })

  it("the command line exports a history as CSV or NDJSON, oldest or newest first", async () => {
    for (const id of ["x1", "x2"]) await purchases("post", "ivy", "=Lamp", "12.50", "--id", id, "--wait", "10")
    const { code, out } = await purchases("export", "ivy")
    expect(code).toBe(0)
    expect(out.split("\r\n").map((row) => row.split(",").slice(0, 4).join())).toEqual([
      "number,kind,purchaseId,productName",
      "1,purchase,x1,'=Lamp",
      "2,purchase,x2,'=Lamp",
      ""
    ])
    const lines = (await purchases("export", "ivy", "--format", "ndjson", "--newest")).out.trimEnd().split("\n")
    expect(lines.map((line) => (JSON.parse(line) as { purchaseId: string }).purchaseId)).toEqual(["x2", "x1"])
    expect((await purchases("export", "ivy", "--after", "1")).out.split("\r\n")).toHaveLength(3)
  })

  it("the command line lists users by a prefix of their ids", async () => {
    await purchases("post", "jack-1", "Lamp", "12.50", "--id", "j1", "--wait", "10")
    expect((await purchases("users", "--prefix", "jack", "--all")).out).toBe("         12.50 USD        1  jack-1\n")
    expect(await purchases("users", "--prefix", "jill")).toEqual(done("No user's id begins with jill.\n"))
  })

  it("a receipt has times with their year and zone, and names repeats only if a repeat came", async () => {
    await purchases("post", "eli", "Lamp", "12.50", "--id", "order-3", "--wait", "10")
    const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`
    expect((await purchases("history", "eli")).out).toMatch(new RegExp(`^ +1  ${time} `))
    const { out } = await purchases("receipt", "eli", "order-3")
    expect(out).toMatch(new RegExp(`storedAt +${time}\nappliedAt +${time}\n`))
    expect(out).not.toMatch(/repeatsDropped|conflictsRejected/)
  })

  it("generate stores as many purchases as the command line asks for, in many batches", async () => {
    expect(await purchases("generate", "12000", "bob")).toEqual(done("12000 purchases of bob are stored\n"))
    expect((await purchases("total", "bob")).out).toMatch(/ in 12000 purchases\n$/)
    const { out } = await purchases("--json", "history", "bob", "--limit", "1200")
    expect(out.trim().split("\n")).toHaveLength(1_200)
  })

  it("feed prints the purchases that are applied, from the beginning on", async () => {
    await purchases("post", "cid", "Desk", "99.90", "--id", "order-2", "--wait", "10")
    const { code, out } = await purchases("--json", "feed", "--user", "cid", "--after", "0", "--count", "1")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      kind: "applied",
      applied: { userId: "cid", total: "99.90", purchases: [{ purchaseId: "order-2", value: "99.90" }] }
    })
  })

  it("`rejected` lists and shows rejected records, and replays a record once with the correction", async () => {
    const broken = await service.reject("{")
    const sequence = await service.reject(inputMessage([sold("dora", "wrong", { valueCents: -5 })]))
    const names = (out: string) => out.match(/\d+\/0 /g)?.map((name) => name.trim())
    const { out } = await purchases("rejected", "list")
    expect(names(out)).toEqual([`${sequence}/0`, `${broken}/0`])
    expect(out).toMatch(/ none +the message is not JSON: \{\n$/)
    expect(names((await purchases("rejected", "list", "--limit", "1")).out)).toEqual([`${sequence}/0`])

    const place = `${sequence}/0`
    const corrected = ["rejected", "replay", place, "dora", "Lamp", "0.05", "--quantity", "2"]
    const replayed = done(`${place} is replayed: replay-${sequence}-0 of 0.10 is applied\n`)
    expect(await purchases(...corrected)).toEqual(replayed)
    expect(await purchases(...corrected)).toEqual(replayed)
    expect(await purchases("total", "dora")).toEqual(done("0.10 USD in 1 purchase\n"))
    expect((await purchases("rejected", "show", place)).out).toMatch(
      /replay +applied\n(.*\n)*.* begun .*\n.* applied +replay-\d+-0 of dora: 2 × Lamp at 0\.05 = 0\.10\n$/
    )
    const { out: json } = await purchases("--json", "rejected", "show", place)
    expect(JSON.parse(json)).toMatchObject({ inputSequence: sequence, replay: "applied", trail: [{}, {}] })
    expect(await purchases("rejected", "replay", place, "dora", "Lamp", "0.07")).toMatchObject({
      code: 1,
      error: expect.stringContaining("with another content")
    })
    expect(await purchases("rejected", "show", "999999/0")).toMatchObject({ code: 1 })
  })

  it("the command line ends with 1 if the service refuses a request or finds nothing", async () => {
    expect(await purchases("receipt", "ann", "none")).toMatchObject({
      code: 1,
      out: "",
      error: expect.stringContaining("User ann has no purchase none")
    })
    expect(await purchases("post", "ann", "Desk", "12.50", "--id", "order-1", "--wait", "10")).toMatchObject({
      code: 1,
      error: expect.stringContaining("order-1")
    })
  })

  it("the command line ends with 2 if one of its words is wrong", async () => {
    for (const words of [
      ["total"],
      ["nothing"],
      ["post", "ann", "Lamp", "1.005"],
      ["total", "ann", "--far"],
      ["rejected", "show", "7"]
    ]) {
      expect({ words, code: (await purchases(...words)).code }).toEqual({ words, code: 2 })
    }
  })

  it("the command line ends with 3 if the service cannot be reached, and its message says so", async () => {
    expect(await purchases("--url", "http://127.0.0.1:1", "status")).toMatchObject({
      code: 3,
      error: expect.stringContaining("The service cannot be reached")
    })
  })

  it("`status` shows the partitions, their owners and the work of the workers", async () => {
    const isSettled = async () => {
      const { applying, workers } = await new PurchaseClient({ url }).status()
      return applying.ok && workers[0]?.partitions.length === 2 && workers[0].applied !== undefined
    }
    await until("the worker has told what it did", isSettled)
    const { code, out, error } = await purchases("status")
    expect({ code, error }).toEqual({ code: 0, error: "" })
    const worker = service.settings.workerId
    expect(out).toMatch(
      /^storing:  yes  Purchases can be stored\.\napplying: yes  Stored purchases are applied\.\npartition  waiting messages  owner\n/
    )
    for (const partition of [0, 1]) expect(out).toMatch(new RegExp(`^ +${partition} +\\d+  ${worker}$`, "m"))
    const counts = String.raw`\d+ applied, \d+ repeats, \d+ rejected since its start at 20[-0-9: ]+ UTC; heard at 20[-0-9: ]+ UTC`
    expect(out).toMatch(new RegExp(`^${worker}: ${counts}; partitions 0, 1$`, "m"))
    const zones = `time zone data ${process.versions["tz"]}`
    expect(out).toContain(`this edge: 0 purchases not stored yet, 0 readers of feeds, ${zones}\n`)
    const { out: json } = await purchases("--json", "status")
    expect(JSON.parse(json)).toMatchObject({
      storing: { ok: true },
      applying: { ok: true, partitions: [] },
      partitions: [
        { partition: 0, owner: worker },
        { partition: 1, owner: worker }
      ],
      workers: [{ worker, partitions: [0, 1] }],
      edge: { waitingPurchases: 0 }
    })
  })

  it("status ends with 3 if no worker is alive, and says that purchases are stored and not applied", async () => {
    const alone = await startService({ withoutWorker: true })
    const other = await serve(alone.edge.app)
    const at = ["--url", `http://127.0.0.1:${other.port}`]
    try {
      const { code, out, error } = await purchases(...at, "status")
      expect({ code, error }).toEqual({ code: 3, error: "" })
      expect(out.split("\n").slice(0, 6)).toEqual([
        "storing:  yes  Purchases can be stored.",
        "applying: NO   No worker is alive. Partitions 0–1 of 2 are not applied. Stored purchases are kept, and are applied when a worker takes them.",
        "partition  waiting messages  owner",
        "        0                 ?  nobody  NOT APPLIED: no worker reads it",
        "        1                 ?  nobody  NOT APPLIED: no worker reads it",
        "no worker was heard in the last minute"
      ])
      const json = await purchases(...at, "--json", "status")
      expect({ code: json.code, answer: JSON.parse(json.out) }).toMatchObject({
        code: 3,
        answer: { storing: { ok: true }, applying: { ok: false } }
      })
      await alone.broker.kill()
      await until("the edge knows", async () => (await alone.get("/readyz")).status === 503)
      expect(await purchases(...at, "status")).toEqual({
        code: 3,
        out: "",
        error:
          "purchases: Purchases cannot be stored: there is no connection to the broker. It is not known whether stored purchases are applied: the broker does not answer for the partitions.\n"
      })
    } finally {
      await other.close()
      await alone.stop()
    }
  }, 30_000)

  it("the help of each command has examples", async () => {
    const rejected = ["rejected", "rejected list", "rejected show", "rejected replay"]
    for (const command of ["post", "total", "history", "receipt", "generate", "feed", "status", ...rejected]) {
      const { code, out } = await purchases(...command.split(" "), "--help")
      expect(code).toBe(0)
      expect(out).toContain(`EXAMPLES`)
      expect(out).toContain(`purchases ${command}`)
    }
  })
})
