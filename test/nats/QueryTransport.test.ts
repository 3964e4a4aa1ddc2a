import { startedBeforeAll } from "../support/StartedBefore.ts"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Effect, ManagedRuntime } from "effect"
import { describe, expect, it } from "vitest"
import { QueryTransport } from "../../src/nats/QueryTransport.ts"
import { brokerLayer } from "../../src/Layers.ts"
import { TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../../src/harness/system/TestLedger.ts"

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

describe("an epoch that answers questions", () => {
  const broker = startedBeforeAll(() => TestBroker.start())

  // A connection that kept ended epochs would leak memory for each epoch. `npm run soak` also finds this leak.
  it("the connection keeps no reference to an epoch that answered questions and is over", async () => {
    const settings = testSettings({ NATS_URL: broker.url, PARTITIONS: "1" })
    await setUpStreams(settings)
    const runtime = ManagedRuntime.make(brokerLayer(settings, "admin", "test"))
    const serveOnce = Effect.scoped(
      Effect.gen(function* () {
        const transport = yield* QueryTransport
        const handle = (payload: string, reply: (payload: string) => void) => reply(`answer to ${payload}`)
        yield* transport.serve(0, { worker: "test", epoch: 1 }, handle)
        const answer = yield* transport.ask(0, "a question", 5_000)
        return { answer, handle: new WeakRef(handle) }
      })
    )
    const { answer, handle } = await runtime.runPromise(serveOnce)
    expect(answer).toBe("answer to a question")
    await until("nobody remembers the epoch", () => {
      collectGarbage()
      return handle.deref() === undefined
    })
    await runtime.dispose()
  })
})
