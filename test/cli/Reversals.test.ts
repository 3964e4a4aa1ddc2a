import { describe, expect, it } from "vitest"
import { serve } from "../support/TestServer.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { useService } from "../support/TestService.ts"
import { type Ended, notNow, purchasesAt, startAnswering } from "./Cli.ts"

const service = useService()
const server = startedBeforeAll(() => serve(service.edge.app))

const purchases = (...words: ReadonlyArray<string>): Promise<Ended> =>
  purchasesAt(`http://127.0.0.1:${server.port}`, ...words)
const done = (out: string): Ended => ({ code: 0, out, error: "" })

/** Buys 3 lamps at 23.45 for a user. */
const buy = async (user: string) => {
  const { code } = await purchases("post", user, "Lamp", "23.45", "--quantity", "3", "--id", "order-1", "--wait", "10")
  expect(code).toBe(0)
}

describe("purchases reverse", () => {
  it("a reversal is made once, and is shown in total, history, receipt and feed", async () => {
    await buy("ann")
    const words = "reverse ann order-1 --quantity 1 --reason broken --id return-1 --wait 10".split(" ")
    const applied = done("return-1 of order-1 is applied: 1 × Lamp for -23.45; the total is 46.90\n")
    expect(await purchases(...words)).toEqual(applied)
    expect(await purchases(...words)).toEqual(applied)
    expect(await purchases("total", "ann")).toEqual(done("46.90 USD in 1 purchase and 1 reversal\n"))

    const { out } = await purchases("history", "ann")
    const [reversal, purchase] = out.split("\n")
    expect(reversal).toMatch(
      /^ +2 .* 1 × Lamp +at +23\.45 = +-23\.45 +→ +46\.90 +order-1, reversed by return-1: broken$/
    )
    expect(purchase).toMatch(/^ +1 .* 3 × Lamp +at +23\.45 = +70\.35 +→ +70\.35 +order-1$/)

    const receipt = (await purchases("receipt", "ann", "order-1")).out
    expect(receipt).toMatch(/\nreversed +1\nleft +2\nreversal +20.* UTC  1 piece, -23\.45, return-1: broken\n$/)

    const feed = await purchases("feed", "--user", "ann", "--after", "0", "--count", "2")
    expect(feed.out).toMatch(/ann .* order-1\n.* ann .* -23\.45 .*order-1, reversed by return-1: broken\n$/)
  })

  it("a reversal without a quantity takes back all pieces, and a reversal without --wait is only stored", async () => {
    await buy("bea")
    const stored = await purchases("reverse", "bea", "order-1", "--reason", "never arrived", "--id", "return-1")
    expect(stored).toEqual(done("return-1 of order-1 is stored\n"))
    expect(await purchases("total", "bea")).toEqual(done("0.00 USD in 1 purchase and 1 reversal\n"))
  })

  it("the receipt of a reversal has the content, amount and reason of the reversal", async () => {
    await buy("fay")
    await purchases(..."reverse fay order-1 --quantity 2 --reason broken --id return-1 --wait 10".split(" "))
    const { code, out } = await purchases("receipt", "fay", "return-1", "--reversal")
    expect(code).toBe(0)
    for (const line of [
      /^reversalId +return-1$/m,
      /^purchaseId +order-1$/m,
      /^amount +-46\.90$/m,
      /^reason +broken$/m
    ]) {
      expect(out).toMatch(line)
    }
    expect(out).not.toMatch(/repeatsDropped/)
    expect(JSON.parse((await purchases("--json", "receipt", "fay", "return-1", "--reversal")).out)).toMatchObject({
      reversalId: "return-1",
      runningTotal: "23.45"
    })
    expect(await purchases("receipt", "fay", "order-1", "--reversal")).toMatchObject({
      code: 1,
      error: expect.stringContaining("User fay has no reversal order-1")
    })
  })

  it("the reversals of a purchase are listed newest first, as many as the flags ask for", async () => {
    await buy("gus")
    for (const id of ["return-1", "return-2", "return-3"]) {
      await purchases("reverse", "gus", "order-1", "--quantity", "1", "--reason", "broken", "--id", id, "--wait", "10")
    }
    const listed = async (...words: ReadonlyArray<string>) =>
      (await purchases("reversals", "gus", "order-1", ...words)).out.match(/return-\d/g)
    expect(await listed()).toEqual(["return-3", "return-2", "return-1"])
    expect(await listed("--limit", "2")).toEqual(["return-3", "return-2"])
    await buy("hal")
    expect(await purchases("reversals", "hal", "order-1")).toEqual(done("Purchase order-1 of hal has no reversal.\n"))
    expect(await purchases("reversals", "hal", "order-2")).toMatchObject({ code: 1 })
  })

  it("--json prints the answer with amounts as text", async () => {
    await buy("cid")
    const { out } = await purchases(
      ..."--json reverse cid order-1 --quantity 2 --reason broken --id return-1 --wait 10".split(" ")
    )
    expect(JSON.parse(out)).toMatchObject({ kind: "reversal", amount: "-46.90", runningTotal: "23.45" })
    const history = await purchases("--json", "history", "cid", "--limit", "1")
    expect(JSON.parse(history.out)).toMatchObject({ kind: "reversal", reversalId: "return-1", total: "-46.90" })
  })

  it("a receipt of a purchase without reversals does not mention reversals", async () => {
    await buy("dan")
    expect((await purchases("receipt", "dan", "order-1")).out).not.toMatch(/reversed|left|reversal/)
  })

  it("the command of a refused reversal ends with 1 and says how many pieces are left", async () => {
    await buy("eve")
    expect(await purchases(..."reverse eve order-1 --quantity 4 --reason broken".split(" "))).toEqual({
      code: 1,
      out: "",
      error:
        "purchases: Purchase order-1 of user eve has 3 pieces left, and the reversal asks for 4. Nothing was reversed; ask for at most 3.\n"
    })
    expect(await purchases(..."reverse eve order-9 --reason broken".split(" "))).toMatchObject({
      code: 1,
      error: expect.stringContaining("User eve has no purchase order-9")
    })
    expect(await purchases("total", "eve")).toEqual(done("70.35 USD in 1 purchase\n"))
  })

  it.each([
    ["no reason", "reverse ann order-1"],
    ["a blank reason", "reverse ann order-1 --reason _"],
    ["a quantity of 0", "reverse ann order-1 --reason broken --quantity 0"],
    ["a quantity of 1.5", "reverse ann order-1 --reason broken --quantity 1.5"],
    ["no purchase", "reverse ann --reason broken"],
    ["a wrong id", "reverse ann order-1 --reason broken --id a/b"]
  ])("a command line with %s ends with 2", async (_what, line) => {
    const words = line.split(" ").map((word) => (word === "_" ? " " : word))
    expect((await purchases(...words)).code).toBe(2)
  })

  it("the command of a reversal of unknown outcome ends with 3, and prints the id for sending it again", async () => {
    const gone = await startAnswering((_request, response) => {
      response.writeHead(503, { "content-type": "application/problem+json" }).end(notNow("Not now."))
    })
    const words = "--timeout 1 reverse ann order-1 --reason broken --id return-9".split(" ")
    const { code, error } = await purchasesAt(gone.url, ...words)
    await gone.stop()
    expect(code).toBe(3)
    expect(error).toContain("Send it again with --id return-9: it counts once, also if it is stored already.")
  })

  it("the help of the command has examples", async () => {
    const { code, out } = await purchases("reverse", "--help")
    expect(code).toBe(0)
    expect(out).toMatch(/EXAMPLES[^]*purchases reverse ann order-1/)
  })
})
