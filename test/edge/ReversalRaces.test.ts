import { Context, Effect, Exit } from "effect"
import type { Hono } from "hono"
import { beforeAll, describe, expect, it } from "vitest"
import type { EntryRequest } from "../../src/account/Entry.ts"
import { NotCurrent, QueryClient } from "../../src/asking/QueryClient.ts"
import { NewId } from "../../src/edge/runtime/EdgeRuntime.ts"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import type { PublishResult } from "../../src/intake/PublishResult.ts"
import { BrokerUnavailable, OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import type { LedgerEntry, Question, Reply } from "../../src/protocol/Query.ts"
import { commitByHand } from "../support/CommitByHand.ts"
import { reversedAccount } from "../support/ReversedAccount.ts"
import { answered, appOn, moreThanLeft, refusal, seen, useService } from "../support/TestService.ts"

const service = useService()
beforeAll(async () => {
  const commits: Array<number> = []
  for (const line of reversedAccount("ann")) {
    commits.push(await commitByHand(service.client, service.settings.partitions, [line(commits)]))
  }
})

const published = { sequence: 77, index: 3, duplicate: false }
const wait = { prefer: "wait=5" }
const linesType = { "content-type": "application/x-ndjson" }
/** The purchase p3 of ann has one piece, which is not taken back. */
const p3Path = "/users/ann/purchases/p3/reversals"
const location = { location: "/users/ann/reversals/n1" }
const lamp = '"userId":"ann","productName":"Lamp","productType":"Office"'

type Answering = (question: Question) => Effect.Effect<Reply, BrokerUnavailable | NotCurrent> | undefined

interface Stand {
  readonly app: Hono
  /** Everything that the edge has published. */
  readonly sent: Array<EntryRequest>
}

/**
 * Returns an application whose requests are not stored. `result` is the result of each request. Replies of `answering`
 * replace those of the worker.
 */
const standing = (answering: Answering = () => undefined, result: PublishResult = Exit.succeed(published)): Stand => {
  const sent: Array<EntryRequest> = []
  const publisher = Context.get(service.edge.services, PurchasePublisher)
  const asking = Context.get(service.edge.services, QueryClient)
  const publish = (requests: ReadonlyArray<EntryRequest>) => {
    sent.push(...requests)
    return requests.map(() => result)
  }
  const services = service.edge.services.pipe(
    Context.add(
      PurchasePublisher,
      PurchasePublisher.of({
        ...publisher,
        publish: (requests) => Effect.sync(() => publish(requests)),
        submit: (requests) => Effect.sync(() => ({ results: Effect.sync(() => publish(requests)) }))
      })
    ),
    Context.add(
      QueryClient,
      QueryClient.of({ ask: (question, options) => answering(question) ?? asking.ask(question, options) })
    ),
    Context.add(NewId, () => "new-id")
  )
  return { app: appOn(services), sent }
}

const postTo = (app: Hono, path: string, body: object, headers: Record<string, string> = {}) =>
  seen(
    app.request(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers }
    })
  )

const broken = { reversalId: "n1", reason: "broken" }
const storedBody = (more: string) =>
  `{"kind":"reversal","reversalId":"n1","purchaseId":"p3",${lamp},"value":1.00,${more}"reason":"broken","status":"stored"}`

/** The reply to the question about the outcome of a reversal; the account has nothing under its id. */
const refused: Answering = (question) => (question.kind === "outcome" ? Effect.succeed({ kind: "outcome" }) : undefined)

const entryOf = (reversal: Partial<NonNullable<LedgerEntry["reversal"]>>): LedgerEntry => ({
  number: 6,
  purchaseId: "p3",
  productName: "Lamp",
  productType: "Office",
  valueCents: 100n,
  quantity: 1,
  inputSequence: published.sequence,
  inputIndex: published.index,
  storedAt: 0,
  ledgerSequence: 99,
  totalAfter: 1_000n,
  reversal: { reversalId: "n1", reason: "broken", asked: 0, previous: 0, ...reversal }
})
const applied =
  (entry: LedgerEntry): Answering =>
  (question) =>
    question.kind === "outcome" ? Effect.succeed({ kind: "outcome", entry }) : undefined

describe("a reversal that the edge stores", () => {
  it("a reversal is answered 202 once it is on disk, with the amount of the pieces that it names", async () => {
    const { app, sent } = standing()
    expect(await postTo(app, p3Path, { ...broken, quantity: 1 })).toEqual(
      answered(202, storedBody('"quantity":1,"amount":-1.00,'), location)
    )
    expect(sent).toEqual([{ reversalId: "n1", userId: "ann", purchaseId: "p3", quantity: 1, reason: "broken" }])
  })

  it("the answer to a stored reversal of all pieces left has no amount, as another reversal may come first", async () => {
    const { app, sent } = standing()
    expect(await postTo(app, p3Path, broken)).toEqual(answered(202, storedBody(""), location))
    expect(sent).toEqual([{ reversalId: "n1", userId: "ann", purchaseId: "p3", reason: "broken" }])
  })

  it.each([
    ["the header Idempotency-Key", { "idempotency-key": '"k1"' }, "k1"],
    ["the service, if the caller names none", {}, "new-id"]
  ])("a reversal without an id gets its id from %s", async (_what, headers, reversalId) => {
    const { app, sent } = standing()
    const { status, headers: answerHeaders } = await postTo(app, p3Path, { reason: "broken" }, headers)
    expect({ status, location: answerHeaders["location"] }).toEqual({
      status: 202,
      location: `/users/ann/reversals/${reversalId}`
    })
    expect(sent).toEqual([{ reversalId, userId: "ann", purchaseId: "p3", reason: "broken" }])
  })
})

describe("a reversal that the edge refuses", () => {
  const refusedPost = async (path: string, body: object) => {
    const { app, sent } = standing()
    const answer = await postTo(app, path, body)
    expect(sent).toEqual([])
    return answer
  }

  it.each([
    ["nobody", "p3"],
    ["ann", "p9"]
  ])("a reversal for user %s of the unknown purchase %s is answered 404", async (userId, purchaseId) => {
    const path = `/users/${userId}/purchases/${purchaseId}/reversals`
    const detail = `User ${userId} has no purchase ${purchaseId}, so nothing was reversed. GET /users/{id}/purchases lists the purchases.`
    expect(await refusedPost(path, broken)).toEqual(refusal("not-found", detail, path))
  })

  it("a reversal of more pieces than are left is answered 422 with the number of pieces left", async () => {
    const detail =
      "Purchase p3 of user ann has 1 piece left, and the reversal asks for 2. Nothing was reversed; ask for at most 1."
    expect(await refusedPost(p3Path, { ...broken, quantity: 2 })).toEqual(moreThanLeft(detail, p3Path, 1))
  })

  it.each([{ quantity: 1 }, {}])(
    "a reversal of %o of a purchase without pieces left is answered 422",
    async (asked) => {
      const path = "/users/ann/purchases/p1/reversals"
      const detail = "All pieces of purchase p1 of user ann were taken back before. Nothing was reversed."
      expect(await refusedPost(path, { ...broken, ...asked })).toEqual(moreThanLeft(detail, path, 0))
    }
  )

  it.each([
    ["another purchase", p3Path, { quantity: 1, reason: "broken" }],
    ["another quantity", "/users/ann/purchases/p1/reversals", { quantity: 2, reason: "broken" }],
    ["no quantity", "/users/ann/purchases/p1/reversals", { reason: "broken" }],
    ["another reason", "/users/ann/purchases/p1/reversals", { quantity: 1, reason: "late" }]
  ])("a reversal under a used id with %s is answered 409", async (_what, path, members) => {
    const detail =
      'The reversalId r1 of user ann was used before for 1 piece of purchase p1 with the reason "broken". Nothing was reversed; use a new id for a new reversal.'
    expect(await refusedPost(path, { reversalId: "r1", ...members })).toEqual(
      refusal("conflicting-reversal", detail, path, { location: "/users/ann/reversals/r1" })
    )
  })

  it.each([
    ["a quantity of 0", { quantity: 0 }, "refused-by-rules"],
    ["a quantity of -1", { quantity: -1 }, "refused-by-rules"],
    ["a quantity of 1.5", { quantity: 1.5 }, "refused-by-rules"],
    ["a quantity above the bound", { quantity: 100_001 }, "refused-by-rules"],
    ["no reason", { reason: undefined }, "malformed-request"],
    ["a reason that is too long", { reason: "x".repeat(201) }, "refused-by-rules"],
    ["a control character in the reason", { reason: "\u0000" }, "refused-by-rules"],
    ["an unknown field", { productName: "Lamp" }, "malformed-request"]
  ])("a reversal with %s is refused", async (_what, members, kind) => {
    const { body } = await refusedPost(p3Path, { ...broken, ...members })
    expect(JSON.parse(body)).toMatchObject({ type: `urn:purchase-ledger:problem:${kind}`, instance: p3Path })
  })

  it("a reversal above 16 KiB is answered 413", async () => {
    expect(await refusedPost(p3Path, { ...broken, reason: "x".repeat(17_000) })).toEqual(
      refusal("body-too-large", "A reversal has at most 16384 bytes.", p3Path)
    )
  })
})

describe("the same reversal again", () => {
  const path = "/users/ann/purchases/p1/reversals"
  const first = { reversalId: "r1", quantity: 1, reason: "broken" }

  it("a known reversal is answered as a repeat, and is not stored again", async () => {
    const { app, sent } = standing()
    const content = `"kind":"reversal","reversalId":"r1","purchaseId":"p1",${lamp},"value":23.45,"quantity":1,"amount":-23.45,"reason":"broken"`
    const headers = { location: "/users/ann/reversals/r1", "idempotent-replayed": "true" }
    expect(await postTo(app, path, first)).toEqual(answered(202, `{${content},"status":"stored"}`, headers))
    const waited = await postTo(app, path, first, wait)
    expect(waited.body).toContain(`{${content},"status":"applied","runningTotal":56.90,"currency":"USD","number":3,`)
    expect(waited).toMatchObject({ status: 201, headers: { ...headers, "preference-applied": "wait=5" } })
    expect(sent).toEqual([])
  })

  it("a known reversal of all that was left is a repeat, although nothing is left now", async () => {
    const { app, sent } = standing()
    const { status, headers } = await postTo(app, path, { reversalId: "r2", reason: "never arrived" }, wait)
    expect({ status, replayed: headers["idempotent-replayed"] }).toEqual({ status: 201, replayed: "true" })
    expect(sent).toEqual([])
  })

  it("the edge reads the purchase before the reversal, so a reversal applied in between is a repeat", async () => {
    const asked: Array<string> = []
    const { app } = standing((question) => {
      if (question.kind === "receipt") asked.push("reversalId" in question ? "reversal" : "purchase")
      return undefined
    })
    expect((await postTo(app, path, first, wait)).status).toBe(201)
    expect(asked).toEqual(["purchase", "reversal"])
  })
})

describe("a reversal with Prefer: wait", () => {
  it("a reversal that is applied in time is answered 201 with its entry and the total after that entry", async () => {
    const { app } = standing(applied(entryOf({})))
    const content = `"kind":"reversal","reversalId":"n1","purchaseId":"p3",${lamp},"value":1.00,"quantity":1,"amount":-1.00,"reason":"broken"`
    expect(await postTo(app, p3Path, broken, wait)).toEqual(
      answered(
        201,
        `{${content},"status":"applied","runningTotal":10.00,"currency":"USD","number":6,"storedAt":"1970-01-01T00:00:00.000Z","ledgerSequence":99}`,
        { ...location, "preference-applied": "wait=5" }
      )
    )
  })

  it("a reversal that another message brought first is answered as a repeat", async () => {
    const { app } = standing(applied({ ...entryOf({}), inputSequence: 12 }))
    const { status, headers } = await postTo(app, p3Path, broken, wait)
    expect({ status, replayed: headers["idempotent-replayed"] }).toEqual({ status: 201, replayed: "true" })
  })

  it("a reversal that is not decided in time is answered 202", async () => {
    const { app } = standing((question) =>
      question.kind === "outcome" ? Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 })) : undefined
    )
    expect(await postTo(app, p3Path, broken, wait)).toEqual(answered(202, storedBody(""), location))
  })

  it("a reversal whose id another reversal took before it was decided is answered 409", async () => {
    const { app } = standing(applied(entryOf({ reason: "late" })))
    const { status, body } = await postTo(app, p3Path, broken, wait)
    expect({ status, detail: (JSON.parse(body) as { detail: string }).detail }).toEqual({
      status: 409,
      detail:
        'The reversalId n1 of user ann was used before for all pieces of purchase p3 with the reason "late". Nothing was reversed; use a new id for a new reversal.'
    })
  })

  it("a reversal whose pieces another reversal took first is answered 422 with the number of pieces left", async () => {
    let isDecided = false
    const { app } = standing((question) => {
      if (question.kind === "outcome") isDecided = true
      if (question.kind !== "receipt" || !("purchaseId" in question) || !isDecided) return refused(question)
      const receipt = { entry: entryOf({}), appliedAt: 0, repeats: 0, conflicts: 0, reversed: 1, reversals: [] }
      return Effect.succeed({ kind: "receipt", receipt })
    })
    const detail = "All pieces of purchase p3 of user ann were taken back before. Nothing was reversed."
    expect(await postTo(app, p3Path, broken, wait)).toEqual(moreThanLeft(detail, p3Path, 0))
  })

  it("a reversal that the worker refused although pieces are left is answered 422", async () => {
    const { app } = standing(refused)
    const detail =
      "The reversal came before purchase p3 of user ann, or with too many others at once. Nothing was reversed; send it again."
    expect(await postTo(app, p3Path, broken, wait)).toEqual(refusal("refused-by-rules", detail, p3Path))
  })
})

describe("a reversal that cannot be stored", () => {
  it("a reversal whose outcome is unknown is answered 504, and may be sent again under its id", async () => {
    const { app } = standing(undefined, Exit.fail(new OutcomeUnknown({ operation: "store", reason: "no answer" })))
    const detail =
      "It is not known whether the reversal was stored. Send it again with the same reversalId; it counts once."
    expect(await postTo(app, p3Path, broken)).toEqual(refusal("outcome-unknown", detail, p3Path))
  })

  it("a reversal without a broker is answered 503", async () => {
    const { app } = standing(undefined, Exit.fail(new BrokerUnavailable({ operation: "store", reason: "gone" })))
    expect(await postTo(app, p3Path, broken)).toMatchObject({ status: 503, headers: { "retry-after": "1" } })
  })

  it("a reversal of a purchase that cannot be read now is answered 504, and is not stored", async () => {
    const { app, sent } = standing(() => Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 })))
    expect((await postTo(app, p3Path, broken)).status).toBe(504)
    expect(sent).toEqual([])
  })
})

describe("a reversal in a line", () => {
  const line = { reversalId: "n1", userId: "ann", purchaseId: "p3", reason: "broken" }
  const send = async (app: Hono, body: object, headers: Record<string, string> = {}) =>
    (await postTo(app, "/purchases", body, { ...linesType, ...headers })).body
  const start = '{"line":1,"status":'
  const named = '"userId":"ann","purchaseId":"p3","reversalId":"n1"'

  it("a reversal in a line is stored without a question about its account", async () => {
    const asked: Array<string> = []
    const { app, sent } = standing((question) => void asked.push(question.kind))
    expect(await send(app, line)).toBe(`${start}"stored",${named}}\n`)
    expect({ asked, sent }).toEqual({ asked: [], sent: [line] })
  })

  it("a reversal in a line with Prefer: wait is answered with the running total", async () => {
    const { app } = standing(applied(entryOf({})))
    expect(await send(app, line, wait)).toBe(`${start}"applied",${named},"runningTotal":10.00}\n`)
  })

  it("a reversal in a line that the owner refuses is answered as refused, with the pieces that are left", async () => {
    const { app } = standing(refused)
    const problem = JSON.parse(await send(app, { ...line, purchaseId: "p1" }, wait)) as object
    expect(problem).toMatchObject({
      line: 1,
      status: "refused",
      problem: { type: "urn:purchase-ledger:problem:more-than-left", status: 422, left: 0 }
    })
  })

  it("a reversal in a line whose purchase cannot be read after its refusal is answered as stored", async () => {
    const { app } = standing((question) =>
      question.kind === "receipt" ? Effect.fail(new NotCurrent({ waitedMilliseconds: 5_000 })) : refused(question)
    )
    expect(await send(app, line, wait)).toBe(`${start}"stored",${named}}\n`)
  })
})
