import { startedBeforeAll } from "../../support/StartedBefore.ts"
import { Effect, Exit, Fiber } from "effect"
import { createInbox, headers, type Msg, type NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeRequestInbox, type RequestInbox } from "../../../src/nats/client/RequestInbox.ts"
import { inboxPrefixOf } from "../../../src/nats/client/BrokerRole.ts"
import { TestBroker, until } from "../../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../../src/harness/system/TestKeys.ts"

const isEnd = (message: Msg): boolean => message.string() === "end"

describe("Requests with several answers", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  let asking: NatsConnection
  let answering: NatsConnection
  let inbox: RequestInbox

  beforeAll(async () => {
    asking = await connectAs("admin", broker.url)
    answering = await connectAs("admin", broker.url)
    inbox = makeRequestInbox(asking, createInbox(inboxPrefixOf("admin")), () => true)
  })

  afterAll(async () => {
    inbox.close()
    await asking.close()
    await answering.close()
  })

  /** Answers each request on a subject with these texts. Returns the subject. */
  const answer = async (subject: string, ...texts: ReadonlyArray<string>) => {
    const replies: Array<string> = []
    answering.subscribe(subject, {
      callback: (_error, message) => {
        replies.push(message.reply ?? "")
        for (const text of texts) message.respond(text)
      }
    })
    await answering.flush()
    return replies
  }

  const ask = (subject: string, timeoutMilliseconds = 5_000) =>
    Effect.map(inbox.requestAll({ operation: subject, subject, payload: "", timeoutMilliseconds }, isEnd), (messages) =>
      messages.map((message) => message.string())
    )
  const failureOf = async (asked: ReturnType<typeof ask>) => {
    const exit = await Effect.runPromiseExit(asked)
    return Exit.isFailure(exit) ? Exit.findErrorOption(exit) : exit.value
  }

  it("a request ends with its last answer, and a later answer is dropped", async () => {
    await answer("all", "1", "2", "end", "3")
    expect(await Effect.runPromise(ask("all"))).toEqual(["1", "2", "end"])
    expect(await Effect.runPromise(ask("all"))).toEqual(["1", "2", "end"])
  })

  it("a request fails if its last answer does not come in time, and a late answer is dropped", async () => {
    const replies = await answer("late", "1")
    expect(await failureOf(ask("late", 10))).toMatchObject({ value: { _tag: "OutcomeUnknown" } })
    await until("it was asked", () => replies.length === 1)
    answering.publish(replies[0] ?? "", "end")
    await answer("other", "end")
    expect(await Effect.runPromise(ask("other"))).toEqual(["end"])
  })

  it("a request fails if the connection breaks between its answers", async () => {
    const replies = await answer("broken", "1")
    const asked = Effect.runFork(ask("broken"))
    await until("it is asked", () => replies.length === 1)
    inbox.disconnected()
    const exit = await Effect.runPromise(Fiber.await(asked))
    expect(Exit.isFailure(exit) && Exit.findErrorOption(exit)).toMatchObject({ value: { _tag: "OutcomeUnknown" } })
  })

  it("a request fails if no process answers", async () => {
    expect(await failureOf(ask("nobody"))).toMatchObject({ value: { _tag: "BrokerUnavailable", unserved: true } })
  })

  it("a request fails if no process can answer any more after the first of its answers", async () => {
    const replies = await answer("left", "1")
    const asked = Effect.runFork(ask("left"))
    await until("it is asked", () => replies.length === 1)
    answering.publish(replies[0] ?? "", "", { headers: headers(503, "No Responders") })
    const exit = await Effect.runPromise(Fiber.await(asked))
    expect(Exit.isFailure(exit) && Exit.findErrorOption(exit)).toMatchObject({ value: { unserved: true } })
  })
})
