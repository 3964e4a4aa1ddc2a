import { Effect } from "effect"
import { expect, it } from "vitest"
import { QueryTransport } from "../../src/nats/QueryTransport.ts"
import { onBoth, until, usual } from "./OnBoth.ts"

onBoth("a query", usual, ({ outcome }) => {
  const identity = (epoch: number) => ({ worker: "w", epoch })

  it("a question fails at once if no worker serves the partition", async () => {
    expect(await outcome(Effect.flatMap(QueryTransport, (queries) => queries.ask(1, "?", 5_000)))).toMatchObject({
      _tag: "BrokerUnavailable",
      unserved: true
    })
  })

  it("a question reaches all workers of the partition, and the first answer counts even if that answer is empty", async () => {
    const asked: Array<string> = []
    const answers = await outcome(
      Effect.gen(function* () {
        const queries = yield* QueryTransport
        yield* queries.serve(2, identity(1), (payload) => void asked.push(`silent ${payload}`))
        yield* queries.serve(2, identity(2), (payload, reply) => {
          asked.push(`other ${payload}`)
          reply(payload === "empty" ? "" : `to ${payload}`)
        })
        const answers = [yield* queries.ask(2, "full", 5_000), yield* queries.ask(2, "empty", 5_000)]
        yield* until(() => asked.length === 4)
        return answers
      })
    )
    expect(answers).toEqual(["to full", ""])
    expect(asked.sort()).toEqual(["other empty", "other full", "silent empty", "silent full"])
  })

  it("a question has an unknown outcome if its worker stays silent", async () => {
    const result = await outcome(
      Effect.gen(function* () {
        const queries = yield* QueryTransport
        yield* queries.serve(3, identity(3), () => undefined)
        return yield* queries.ask(3, "?", 200)
      })
    )
    expect(result).toMatchObject({ _tag: "OutcomeUnknown" })
  })
})
