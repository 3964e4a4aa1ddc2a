import { describe, expect, it } from "vitest"
import { parseExact } from "../../src/client/Amount.ts"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { ForeignAnswer, NoAnswer, ProblemError } from "../../src/client/Failure.ts"
import type { HistoryFilter } from "../../src/client/HistoryFilter.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { unansweredMax } from "../../src/client/PurchaseStream.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { useService } from "../support/TestService.ts"

const service = useService()

const lamp = (userId: string, members: Partial<NewPurchase> = {}): NewPurchase => ({
  userId,
  productName: "Lamp",
  productType: "Office",
  value: "12.50",
  quantity: 2,
  ...members
})

type Ask = (request: Request, attempt: number) => Response | Promise<Response>

/**
 * Returns a client that records its waits instead of waiting, and its requests. `ask` stands between the client and the
 * service.
 */
const clientOf = (ask: Ask = (request) => service.edge.app.fetch(request)) => {
  const waits: Array<number> = []
  let attempts = 0
  const client = new PurchaseClient({
    url: "http://ledger/",
    fetch: (request) => ask(request, (attempts += 1)),
    sleep: async (milliseconds) => void waits.push(milliseconds),
    random: () => 0.5
  })
  return { client, waits, attempts: () => attempts }
}

const unavailable = (headers: Record<string, string> = {}) =>
  Response.json(
    { type: "urn:purchase-ledger:problem:unavailable", title: "t", status: 503, detail: "not now", instance: "/" },
    { status: 503, headers }
  )

const taken = async <A>(items: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

describe("a purchase", () => {
  it("a purchase is posted, and found in total, history and receipt with exact amounts", async () => {
    const { client } = clientOf()
    const posted = await client.post(lamp("ann@x.org", { purchaseId: "p1", value: 99_999_999n }), { waitSeconds: 10 })
    expect(posted).toMatchObject({ status: "applied", value: "999999.99", runningTotal: "1999999.98" })
    expect(await client.total("ann@x.org")).toEqual({
      userId: "ann@x.org",
      total: "1999999.98",
      currency: "USD",
      purchaseCount: 1,
      reversalCount: 0,
      known: true
    })
    expect(await taken(client.history("ann@x.org"))).toMatchObject([{ purchaseId: "p1", total: "1999999.98" }])
    expect(await client.receipt("ann@x.org", "p1")).toMatchObject({ number: 1, value: "999999.99" })
  })

  it("a purchase that gets 503 or no answer is sent again under the same id, and counts once", async () => {
    const ids = new Set<unknown>()
    const { client, waits, attempts } = clientOf(async (request, attempt) => {
      const copy = request.clone()
      ids.add(((await copy.json()) as NewPurchase).purchaseId)
      if (attempt === 1) return unavailable({ "retry-after": "2" })
      const answer = await service.edge.app.fetch(request)
      // The purchase is stored, and the answer is lost.
      if (attempt === 2) throw new TypeError("terminated")
      return answer
    })
    await client.post(lamp("ben"), { waitSeconds: 10 })
    expect(attempts()).toBe(3)
    expect(ids.size).toBe(1)
    expect(waits).toEqual([2_050, 300])
    expect(await clientOf().client.total("ben")).toMatchObject({ purchaseCount: 1, total: "25.00" })
  })

  it("a purchase that is posted again gets the same answer as before, marked as a repeat", async () => {
    const { client } = clientOf()
    const twice = lamp("mia", { purchaseId: "p1" })
    const first = await client.post(twice, { waitSeconds: 10 })
    expect(first).not.toHaveProperty("repeat")
    expect(await client.post(twice, { waitSeconds: 10 })).toEqual({ ...first, repeat: true })
    expect(await client.total("mia")).toMatchObject({ purchaseCount: 1, total: "25.00" })
  })

  it("`duplicate` stores a purchase that counts once, and the client sends the request only once", async () => {
    const { client } = clientOf()
    const { purchaseId, ...answer } = await client.duplicate(700, "n@x.org")
    expect(answer).toMatchObject({ userId: "n@x.org", duplicatesSent: 700, status: "success" })
    expect(await taken(client.history("n@x.org"))).toMatchObject([{ purchaseId, number: 1, total: "100.00" }])
    const failing = clientOf(() => unavailable())
    await expect(failing.client.duplicate(2, "ann")).rejects.toMatchObject({ kind: "unavailable" })
    expect(failing.attempts()).toBe(1)
  })

  it("a post ends with its last failure after a bounded number of attempts", async () => {
    const gone = clientOf(() => Promise.reject(new TypeError("fetch failed")))
    await expect(gone.client.post(lamp("cid"))).rejects.toThrow(NoAnswer)
    expect(gone.attempts()).toBe(8)
    expect(Math.max(...gone.waits)).toBeLessThanOrEqual(5_000)
  })

  it("a purchase that is refused is not sent again", async () => {
    const { client, attempts } = clientOf()
    const refused = await client.post(lamp("dan", { quantity: 0 })).catch((failure: unknown) => failure)
    expect(refused).toBeInstanceOf(ProblemError)
    expect(refused).toMatchObject({ kind: "refused-by-rules", status: 422 })
    expect(attempts()).toBe(1)
  })

  it("a purchase with a value that is no decimal is not sent", async () => {
    const { client, attempts } = clientOf()
    await expect(client.post(lamp("dan", { value: "1.005" }))).rejects.toThrow("1.005 is no decimal")
    expect(attempts()).toBe(0)
  })

  it("a purchase fails with a ForeignAnswer if the answer is not from the service", async () => {
    const { client } = clientOf(() => new Response("<html>", { status: 404 }))
    await expect(client.post(lamp("dan"))).rejects.toThrow(ForeignAnswer)
  })

  it("a post ends at once when the caller aborts its signal", async () => {
    const controller = new AbortController()
    const { client, attempts } = clientOf(() => {
      controller.abort(new Error("enough"))
      return unavailable()
    })
    await expect(client.post(lamp("dan"), { signal: controller.signal })).rejects.toThrow("enough")
    expect(attempts()).toBe(1)
  })
})

it("a receipt of an unknown purchase fails with the problem not-found", async () => {
  await expect(clientOf().client.receipt("eve", "none")).rejects.toMatchObject({ kind: "not-found" })
})

it("a filtered history has the same filter on each page, in either order", async () => {
  const { client } = clientOf()
  await client.generate(30, "gwen")
  const numbers = async (filter: HistoryFilter) =>
    (await taken(client.history("gwen", { ...filter, pagePurchases: 4 }))).map(({ number }) => number)
  const inside = Array.from({ length: 14 }, (_, index) => index + 6)
  expect(await numbers({ after: 5, before: 20 })).toEqual(inside.toReversed())
  expect(await numbers({ after: 5, before: 20, order: "oldest" })).toEqual(inside)
  expect(await numbers({ product: "Not & sold?" })).toEqual([])
  const [first] = await taken(client.history("gwen", { order: "oldest" }))
  expect(await numbers({ to: first?.storedAt ?? "" })).toEqual([])
  expect(await numbers({ from: first?.storedAt ?? "", before: 2 })).toEqual([1])
})

it("an export is read as bytes, and a refused export fails with the problem of the service", async () => {
  const { client } = clientOf()
  await client.generate(3, "hugo")
  const { total } = await client.total("hugo")
  const text = Buffer.concat(await taken(client.exportHistory("hugo", { after: 1 }))).toString()
  expect(text.split("\r\n").map((row) => row.split(",")[0])).toEqual(["number", "2", "3", ""])
  const lines = Buffer.concat(
    await taken(client.exportHistory("hugo", { format: "ndjson", order: "newest" }))
  ).toString()
  expect((parseExact(lines.split("\n")[0] ?? "") as { runningTotal: string }).runningTotal).toBe(total)
  await expect(taken(client.exportHistory("hugo", { after: 5, before: 5 }))).rejects.toMatchObject({
    kind: "malformed-request"
  })
})

it("an export is asked for again until it begins, and an export that breaks off fails with NoAnswer", async () => {
  const body = () => {
    let isFirst = true
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (isFirst) controller.enqueue(new TextEncoder().encode("number"))
        else controller.error(new TypeError("terminated"))
        isFirst = false
      }
    })
  }
  const { client, waits } = clientOf((_request, attempt) => (attempt < 3 ? unavailable() : new Response(body())))
  const parts = client.exportHistory("ida")
  expect(Buffer.from((await parts.next()).value ?? []).toString()).toBe("number")
  await expect(parts.next()).rejects.toBeInstanceOf(NoAnswer)
  expect(waits).toHaveLength(2)
})

it("users are listed page by page, all or by a prefix", async () => {
  const { client } = clientOf()
  for (const userId of ["zed-1", "zed-2", "zoe"]) await client.post(lamp(userId), { waitSeconds: 10 })
  const listed = (await taken(client.users({ prefix: "zed-" }))).toSorted((one, other) =>
    one.userId < other.userId ? -1 : 1
  )
  expect(listed).toEqual(
    ["zed-1", "zed-2"].map((userId) => ({
      userId,
      total: "25.00",
      currency: "USD",
      purchaseCount: 1,
      reversalCount: 0
    }))
  )
  const all = (await taken(client.users())).map(({ userId }) => userId)
  expect(all).toEqual(expect.arrayContaining(["zed-1", "zed-2", "zoe"]))
  expect(new Set(all).size).toBe(all.length)
})

it("the client reads a history page by page", async () => {
  const { client, attempts } = clientOf()
  await client.generate(250, "finn")
  const history = await taken(client.history("finn"))
  expect(history.map(({ number }) => number)).toEqual(Array.from({ length: 250 }, (_, index) => 250 - index))
  expect(attempts()).toBe(4)
  expect(await taken(client.history("finn", { pagePurchases: 250 }))).toEqual(history)
  expect(attempts()).toBe(5)
})

it("the status names each partition and its owner, and the client asks again after a 503", async () => {
  const { client, attempts } = clientOf((request, attempt) =>
    attempt === 1 ? unavailable() : service.edge.app.fetch(request)
  )
  await client.status()
  expect(attempts()).toBe(2)
  const owner = service.settings.workerId
  await until("the owners are known", async () => (await client.status()).workers[0]?.partitions.length === 2)
  const { partitions, workers, edge } = await client.status()
  expect(partitions).toMatchObject([
    { partition: 0, owner },
    { partition: 1, owner }
  ])
  expect(workers).toMatchObject([{ worker: owner, partitions: [0, 1] }])
  expect(edge).toEqual({ waitingPurchases: 0, feedReaders: 0, timeZoneData: process.versions["tz"] })
})

describe("rejected records", () => {
  it("rejected records are listed page by page, newest first, and each is found by its key", async () => {
    const sequences: Array<number> = []
    for (let number = 0; number < 5; number += 1) sequences.unshift(await service.reject(`{"number":${number}`))
    const { client, attempts } = clientOf((request) => {
      const url = new URL(request.url)
      if (url.searchParams.has("limit")) url.searchParams.set("limit", "2")
      return service.edge.app.fetch(new Request(url, request))
    })
    const listed = await taken(client.rejected())
    expect(listed.map(({ inputSequence }) => inputSequence)).toEqual(sequences)
    expect(attempts()).toBe(3)
    const [inputSequence = 0] = sequences
    expect(await client.rejectedRecord({ inputSequence, index: 0 })).toEqual({ ...listed[0], trail: [] })
    const none = { inputSequence: 999_999, index: 0 }
    await expect(client.rejectedRecord(none)).rejects.toMatchObject({ kind: "not-found" })
  })

  it("a rejected record is replayed once, even if the answer is lost, and another content is refused", async () => {
    const inputSequence = await service.reject(inputMessage([sold("lea", "wrong", { valueCents: -5 })]))
    const key = { inputSequence, index: 0 }
    const { client, attempts } = clientOf(async (request, attempt) => {
      const answer = await service.edge.app.fetch(request)
      if (attempt === 1) throw new TypeError("terminated")
      return answer
    })
    const record = await client.replayRejected(key, lamp("lea"))
    expect(attempts()).toBe(2)
    expect(record).toMatchObject({
      ...key,
      replay: "applied",
      trail: [
        { state: "begun" },
        { state: "applied", purchase: { purchaseId: `replay-${inputSequence}-0`, total: "25.00" } }
      ]
    })
    expect(await client.total("lea")).toMatchObject({ purchaseCount: 1, total: "25.00" })
    const other = client.replayRejected(key, lamp("lea", { quantity: 3 }))
    await expect(other).rejects.toMatchObject({ kind: "already-replayed", status: 409 })
  })
})

/** Lets a number of lines of an answer through, and then breaks the connection. */
const brokenAfter = (response: Response, linesMax: number): Response => {
  let lines = 0
  const cut = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      const text = new TextDecoder().decode(chunk)
      for (const line of text.split("\n").slice(0, -1)) {
        if (lines === linesMax) return controller.error(new TypeError("terminated"))
        lines += 1
        controller.enqueue(new TextEncoder().encode(`${line}\n`))
      }
    }
  })
  return new Response(response.body?.pipeThrough(cut) ?? null, response)
}

const linesIn = (chunk: Uint8Array): number => new TextDecoder().decode(chunk).split("\n").length - 1

describe("many purchases", () => {
  it("many purchases are answered in order and count once each, even if connections break", async () => {
    const count = 3_000
    const many = Array.from({ length: count }, (_, index) => lamp("gil", { purchaseId: `p${index}` }))
    const { client, attempts } = clientOf(async (request, attempt) => {
      const answer = await service.edge.app.fetch(request)
      return attempt <= 2 ? brokenAfter(answer, attempt * 700) : answer
    })
    const lines = await taken(client.postAll(many))
    expect(attempts()).toBe(3)
    expect(lines.map(({ index }) => index)).toEqual(many.map((_, index) => index))
    expect(lines.every(({ outcome }, index) => "purchaseId" in outcome && outcome.purchaseId === `p${index}`)).toBe(
      true
    )
    expect(await client.total("gil")).toMatchObject({ purchaseCount: count, total: "75000.00" })
  })

  it("purchases that come together are sent in one chunk, and a purchase that comes alone is sent alone", async () => {
    const chunks: Array<number> = []
    const { client } = clientOf((request) => {
      const counted = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          chunks.push(linesIn(chunk))
          controller.enqueue(chunk)
        }
      })
      const body = request.body?.pipeThrough(counted) ?? null
      return service.edge.app.fetch(new Request(request, { body, duplex: "half" } as RequestInit))
    })
    const answered = Promise.withResolvers<void>()
    async function* slow() {
      yield lamp("joy")
      await answered.promise
      for (let number = 1; number < 2_500; number += 1) yield lamp("joy")
    }
    let turns = 0
    const countTurn = () => {
      turns += 1
      counting = setTimeout(countTurn, 0)
    }
    let counting = setTimeout(countTurn, 0)
    for await (const { index } of client.postAll(slow())) if (index === 0) answered.resolve()
    clearTimeout(counting)
    expect(chunks[0]).toBe(1)
    // A chunk takes the purchases of one turn of the event loop, unless the chunk is full before.
    expect(chunks.length).toBeLessThanOrEqual(2 * turns + 2_500 / 500)
    expect(Math.max(...chunks)).toBeGreaterThan(1)
    expect(await client.total("joy")).toMatchObject({ purchaseCount: 2_500 })
  })

  it("the answer distinguishes refused purchases from stored purchases", async () => {
    const lines = await taken(clientOf().client.postAll([lamp("hal"), lamp("hal", { quantity: 0 }), lamp("hal")]))
    expect(lines.map(({ outcome }) => outcome.status)).toEqual(["stored", "refused", "stored"])
  })

  it("purchases are taken from the caller only as fast as the service answers them", async () => {
    let given = 0
    function* endless() {
      while (true) {
        given += 1
        yield lamp("ida")
      }
    }
    const answers = new TransformStream<Uint8Array, Uint8Array>()
    const full = Promise.withResolvers<void>()
    const { client } = clientOf((request) => {
      let lines = 0
      void request.body?.pipeTo(
        new WritableStream({
          write: (chunk: Uint8Array) => {
            lines += linesIn(chunk)
            if (lines === unansweredMax) full.resolve()
          }
        })
      )
      return new Response(answers.readable)
    })
    const posting = client.postAll(endless())
    const first = posting.next()
    await full.promise
    // After a turn of the event loop, all ready tasks have run.
    await new Promise(setImmediate)
    expect(given).toBe(unansweredMax)
    const writer = answers.writable.getWriter()
    void writer.write(new TextEncoder().encode('{"line":1,"status":"stored","userId":"ida","purchaseId":"p"}\n'))
    expect(await first).toMatchObject({ value: { index: 0, outcome: { status: "stored" } } })
    await new Promise(setImmediate)
    expect(given).toBe(unansweredMax + 1)
    await posting.return(undefined)
  })

  it("if the caller's list of purchases throws, the call ends with the thrown error", async () => {
    const failing = (function* () {
      yield lamp("jon")
      throw new Error("no more paper")
    })()
    await expect(taken(clientOf().client.postAll(failing))).rejects.toThrow("no more paper")
  })
})

describe("a feed", () => {
  const event = (id: string) => `id: ${id}\ndata: {"userId":"kim","total":${id.replace(".", "")}.10}\n\n`
  const feedOf = (...texts: ReadonlyArray<string>) => {
    const asked: Array<string | null> = []
    const { client, waits } = clientOf((request, attempt) => {
      asked.push(request.headers.get("last-event-id"))
      return new Response(texts[attempt - 1] ?? null)
    })
    return { client, asked, waits }
  }
  const some = async (client: PurchaseClient, count: number, after?: string) => {
    const ids: Array<string> = []
    for await (const { id, ...told } of client.feed(after === undefined ? {} : { after })) {
      ids.push(told.kind === "applied" ? `${id} ${told.applied.total}` : `${told.kind} ${told.reason} ${id}`)
      if (ids.length === count) break
    }
    return ids
  }

  it("a feed goes on after its last event when it breaks off, even in the middle of an event", async () => {
    const { client, asked } = feedOf(
      `retry: 1000\nid: 3\n\n${event("4.1")}: still here\n\n${event("4.2").slice(0, 20)}`,
      event("4.2")
    )
    expect(await some(client, 2)).toEqual(["4.1 41.10", "4.2 42.10"])
    expect(asked).toEqual([null, "4.1"])
  })

  it("a feed goes on if the service ends it, and reports a reset if its last event id does not exist", async () => {
    const end = `event: end\ndata: {"reason":"stopping","detail":"This edge is stopping."}\n\n`
    const reset = `event: reset\nid: 9\ndata: {"reason":"beyond-the-end","detail":"gone","id":"9"}\n\n`
    const { client, asked } = feedOf(event("7.3") + end, reset + event("10.1"))
    expect(await some(client, 3, "6")).toEqual(["7.3 73.10", "reset beyond-the-end 9", "10.1 101.10"])
    expect(asked).toEqual(["6", "7.3"])
  })

  it("a feed fails if nothing comes any more, after a bounded number of attempts", async () => {
    const { client, asked } = feedOf()
    await expect(some(client, 1)).rejects.toThrow(NoAnswer)
    expect(asked).toHaveLength(8)
  })
})

describe("the webhook of a user", () => {
  it("a webhook is set, read, changed and removed, and only its first PUT and a rotation show a secret", async () => {
    const { client } = clientOf()
    const url = "https://example.org/alerts"
    const made = await client.setWebhook("ann@x.org", { url })
    expect(made).toMatchObject({
      userId: "ann@x.org",
      url,
      state: "delivering",
      secret: expect.stringMatching(/^whsec_/)
    })
    expect(await client.webhook("ann@x.org")).not.toHaveProperty("secret")
    expect(await client.setWebhook("ann@x.org", { enabled: false })).toMatchObject({ url, state: "off" })
    expect(await client.setWebhook("ann@x.org", { resume: "now" })).toMatchObject({ url, state: "delivering" })
    expect(await client.rollWebhookSecret("ann@x.org")).toMatchObject({ secret: expect.stringMatching(/^whsec_/) })
    expect(await client.deadLetters("ann@x.org", { limit: 5 })).toEqual({ userId: "ann@x.org", dead: [] })
    expect(await client.removeWebhook("ann@x.org")).toBeUndefined()
    await expect(client.webhook("ann@x.org")).rejects.toMatchObject({ kind: "not-found" })
    await expect(client.sendDeadLetterAgain("ann@x.org", 7)).rejects.toMatchObject({ kind: "not-found" })
    await expect(client.testWebhook("ann@x.org")).rejects.toMatchObject({ kind: "not-found" })
    const refused = client.setWebhook("ann@x.org", { url: "http://169.254.169.254/" })
    await expect(refused).rejects.toMatchObject({ kind: "refused-by-rules", status: 422 })
  })
})

describe("rules of a user", () => {
  const rule = { measure: "spent", within: "P7D", threshold: "200.00" } as const

  it("a rule is put, read, listed and removed, with its threshold as text", async () => {
    const { client } = clientOf()
    const put = await client.putRule("ann@x.org", "r 1", rule)
    const { ledgerSequence, ...stored } = put
    expect(put).toMatchObject({
      userId: "ann@x.org",
      ruleId: "r 1",
      version: 1,
      number: ledgerSequence,
      rule: { who: "self", measure: "spent", within: "P7D", is: "crosses", threshold: "200.00", enabled: true }
    })
    expect(await client.getRule("ann@x.org", "r 1")).toEqual(stored)
    const { userId, ...listed } = stored
    expect(await client.listRules("ann@x.org")).toEqual({ userId, ledgerSequence, rules: [listed] })
    expect(await client.removeRule("ann@x.org", "r 1", { ifVersion: 1 })).toBeUndefined()
    await expect(client.getRule("ann@x.org", "r 1")).rejects.toMatchObject({ kind: "not-found" })
    await expect(client.removeRule("ann@x.org", "r 1")).rejects.toMatchObject({ kind: "not-found" })
  })

  it("a change whose condition does not hold fails with a ProblemError, and changes nothing", async () => {
    const { client } = clientOf()
    await client.putRule("bea", "r", rule, { onlyNew: true })
    const failed = { kind: "precondition-failed", status: 412 }
    await expect(client.putRule("bea", "r", rule, { onlyNew: true })).rejects.toMatchObject(failed)
    await expect(client.putRule("bea", "r", { ...rule, enabled: false }, { ifVersion: 9 })).rejects.toMatchObject(
      failed
    )
    await expect(client.removeRule("bea", "r", { ifVersion: 9 })).rejects.toMatchObject(failed)
    expect(await client.getRule("bea", "r")).toMatchObject({ version: 1 })
  })

  it("a change of a rule whose answer is lost is sent again, and is made once", async () => {
    const lost = async (request: Request, attempt: number) => {
      const answer = await service.edge.app.fetch(request)
      if (attempt % 2 === 1) throw new TypeError("terminated")
      return answer
    }
    const { client, attempts } = clientOf(lost)
    expect(await client.putRule("cid", "r", rule)).toMatchObject({ version: 1 })
    const changed = await client.putRule("cid", "r", { ...rule, enabled: false }, { ifVersion: 1 })
    expect(changed).toMatchObject({ version: 2 })
    await client.removeRule("cid", "r", { ifVersion: 2 })
    expect(attempts()).toBe(6)
    expect(await clientOf().client.listRules("cid")).toMatchObject({ rules: [] })
  })

  it("a threshold that is not a number as text fails with a TypeError, and nothing is sent", async () => {
    const { client, attempts } = clientOf()
    for (const threshold of ["1e3", "x", "", 5 as unknown as string]) {
      await expect(client.putRule("dot", "r", { measure: "count", threshold })).rejects.toThrow(TypeError)
    }
    expect(attempts()).toBe(0)
  })
})
