import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import type { NewPurchase } from "../../src/client/NewPurchase.ts"
import { ForeignAnswer, NoAnswer, ProblemError, TimedOut } from "../../src/client/Failure.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const lamp: NewPurchase = { userId: "ann", productName: "Lamp", productType: "Office", value: "12.50", quantity: 2 }

type Answer = (request: Request, attempt: number) => Response | Promise<Response>

/** An answer that does not come. */
const silence: Answer = (request) =>
  new Promise((_, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason as Error))
  })

const notNow: Answer = () =>
  Response.json(
    { type: "urn:purchase-ledger:problem:not-current", title: "t", status: 504, detail: "no owner", instance: "/" },
    { status: 504 }
  )

/** Returns a client that gives each call ten seconds, and the list of the repetitions that it reported. */
const clientOf = (answer: Answer) => {
  const repetitions: Array<{ readonly message: string; readonly until: number | undefined }> = []
  let attempts = 0
  const client = new PurchaseClient({
    url: "http://ledger",
    timeoutMilliseconds: 10_000,
    attemptsMax: Number.POSITIVE_INFINITY,
    fetch: (request) => answer(request, (attempts += 1)),
    onRetry: ({ message }, _wait, until) => void repetitions.push({ message, until })
  })
  return { client, repetitions }
}

/** Returns the error of a call while the clock is turned by a number of seconds; `undefined` if the call goes on. */
const failureWithin = async (seconds: number, call: Promise<unknown>): Promise<unknown> => {
  let failure: unknown
  call.catch((thrown: unknown) => {
    failure = thrown
  })
  await vi.advanceTimersByTimeAsync(seconds * 1_000)
  return failure
}

describe("a call that is not answered", () => {
  it("a call without an answer times out after its time, and not before", async () => {
    const call = clientOf(silence).client.total("ann")
    expect(await failureWithin(9.9, call)).toBeUndefined()
    expect(await failureWithin(0.2, call)).toEqual(new TimedOut(10_000, undefined))
  })

  it("a call times out with its newest failure, and each repetition reports when the call will time out", async () => {
    const { client, repetitions } = clientOf((request, attempt) => (attempt < 3 ? notNow : silence)(request, attempt))
    const until = Date.now() + 10_000
    const failure = await failureWithin(11, client.total("ann"))
    expect(failure).toBeInstanceOf(TimedOut)
    expect(failure).toMatchObject({ timeoutMilliseconds: 10_000, last: { status: 504, message: "no owner" } })
    expect(repetitions).toEqual([
      { message: "no owner", until },
      { message: "no owner", until }
    ])
  })

  it("a call that the client sends only once times out after its time", async () => {
    expect(await failureWithin(11, clientOf(silence).client.ready())).toBeInstanceOf(TimedOut)
  })

  it("the seconds for which a call lets the service wait are added to the timeout of the call", async () => {
    const call = clientOf(silence).client.post(lamp, { waitSeconds: 20 })
    expect(await failureWithin(29, call)).toBeUndefined()
    expect(await failureWithin(2, call)).toBeInstanceOf(TimedOut)
  })

  it("the timeout of a call begins anew with each page of a history", async () => {
    const { client } = clientOf(async (_request, attempt) => {
      await new Promise((resolve) => setTimeout(resolve, 8_000))
      return Response.json({ purchases: [{ number: attempt }], ...(attempt < 4 ? { next: "/next" } : {}) })
    })
    const numbers: Array<number> = []
    const reading = (async () => {
      for await (const { number } of client.history("ann")) numbers.push(number)
    })()
    expect(await failureWithin(33, reading)).toBeUndefined()
    expect(numbers).toEqual([1, 2, 3, 4])
  })
})

describe("a post whose outcome is not known", () => {
  it("a post of unknown outcome fails with the purchase and the id under which it was sent", async () => {
    const sent: Array<unknown> = []
    const answers: ReadonlyArray<readonly [Answer, new (...given: never) => Error]> = [
      [silence, TimedOut],
      [notNow, TimedOut],
      [() => Promise.reject(new TypeError("terminated")), TimedOut],
      [() => new Response("<html>stored</html>"), ForeignAnswer]
    ]
    for (const [answer, failureType] of answers) {
      const { client } = clientOf(async (request, attempt) => {
        sent.push(((await request.clone().json()) as NewPurchase).purchaseId)
        return answer(request, attempt)
      })
      const failure = await failureWithin(11, client.post(lamp))
      expect(failure).toBeInstanceOf(failureType)
      expect(failure).toMatchObject({ unanswered: [{ ...lamp, purchaseId: sent.at(-1) }] })
    }
  })

  it("a refused post fails with the problem of the service, and leaves no purchase unanswered", async () => {
    const { client } = clientOf(() =>
      Response.json(
        { type: "urn:purchase-ledger:problem:refused-by-rules", detail: "no", status: 422 },
        { status: 422 }
      )
    )
    const failure = await failureWithin(1, client.post(lamp))
    expect(failure).toBeInstanceOf(ProblemError)
    expect(failure).toMatchObject({ kind: "refused-by-rules", unanswered: [] })
  })
})

describe("many purchases that are not answered", () => {
  const stored = (line: number) => `{"line":${line},"status":"stored","userId":"ann","purchaseId":"p${line}"}\n`
  const named = (number: number) => ({ ...lamp, purchaseId: `p${number}` })

  /**
   * A service that answers a number of lines of a request. After these lines the service is silent, or ends as the test
   * asks.
   */
  const answering =
    (linesMax: number, ending?: string): Answer =>
    ({ body, signal }) => {
      const answers = new TransformStream<Uint8Array, Uint8Array>()
      const writer = answers.writable.getWriter()
      const write = (text: string) => writer.write(new TextEncoder().encode(text))
      signal.addEventListener("abort", () => void writer.abort(signal.reason))
      let line = 0
      const read = async () => {
        for await (const chunk of body ?? []) {
          for (const _ of new TextDecoder().decode(chunk).split("\n").slice(1)) {
            line += 1
            if (line <= linesMax) await write(stored(line))
          }
          if (ending !== undefined) {
            await write(ending)
            return writer.close()
          }
        }
        if (line <= linesMax) await writer.close()
      }
      read().catch(() => undefined)
      return new Response(answers.readable)
    }

  it("a call of many purchases times out with the purchases that have no answer, each with its id", async () => {
    const answered: Array<number> = []
    const posting = (async () => {
      const { client } = clientOf(answering(2))
      for await (const { index } of client.postAll([1, 2, 3, 4].map(named))) answered.push(index)
    })()
    expect(await failureWithin(9, posting)).toBeUndefined()
    const failure = await failureWithin(2, posting)
    expect(failure).toBeInstanceOf(TimedOut)
    expect(failure).toMatchObject({ unanswered: [named(3), named(4)] })
    expect(answered).toEqual([0, 1])
  })

  it("many purchases do not time out while the caller sends nothing, or works on an answer", async () => {
    const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
    const { client } = clientOf(answering(10))
    async function* slowly() {
      yield named(1)
      await pause(20)
      yield named(2)
      yield named(3)
    }
    const answered: Array<number> = []
    const posting = (async () => {
      for await (const { index } of client.postAll(slowly())) {
        answered.push(index)
        await pause(60)
      }
    })()
    expect(await failureWithin(400, posting)).toBeUndefined()
    expect(answered).toEqual([0, 1, 2])
  })

  it("many purchases are sent again if the answer ends in the middle of a line", async () => {
    const { client } = clientOf((request, attempt) =>
      (attempt === 1 ? answering(1, stored(2).slice(0, 20)) : answering(10))(request, attempt)
    )
    const answered: Array<number> = []
    const posting = (async () => {
      for await (const { index } of client.postAll([1, 2, 3].map(named))) answered.push(index)
    })()
    expect(await failureWithin(5, posting)).toBeUndefined()
    expect(answered).toEqual([0, 1, 2])
  })

  it("many purchases fail with a foreign answer if a line of the answer is not from the service", async () => {
    const { client } = clientOf(() => new Response("<html>\n"))
    const failure = await failureWithin(5, client.postAll([named(1)]).next())
    expect(failure).toBeInstanceOf(ForeignAnswer)
  })
})

describe("a feed without events", () => {
  it("a feed times out while it has no connection, and not while nothing happens on it", async () => {
    const quiet = new TransformStream<Uint8Array, Uint8Array>()
    const writer = quiet.writable.getWriter()
    const { client } = clientOf((request, attempt) =>
      attempt === 1 ? new Response(quiet.readable) : silence(request, attempt)
    )
    const next = client.feed({ userId: "ann" }).next()
    void writer.write(new TextEncoder().encode("id: 3\n\n"))
    expect(await failureWithin(40, next)).toBeUndefined()
    await writer.abort(new TypeError("terminated"))
    expect(await failureWithin(9, next)).toBeUndefined()
    expect(await failureWithin(2, next)).toBeInstanceOf(TimedOut)
  })

  it("a feed times out if its connection ends at once at each attempt", async () => {
    const { client } = clientOf(() => new Response(""))
    const failure = await failureWithin(11, client.feed().next())
    expect(failure).toBeInstanceOf(TimedOut)
    expect(failure).toMatchObject({ last: expect.any(NoAnswer) })
  })
})
