import { it } from "@effect/vitest"
import { Effect } from "effect"
import type { Msg } from "nats"
import { expect } from "vitest"
import { storeMessage } from "../../../src/nats/client/JetStreamApi.ts"

/** Publishes a message that the broker answers with `answer`. Returns how often the message counted as stored. */
const storedWith = (answer: object) =>
  Effect.gen(function* () {
    const noted: Array<number> = []
    const began = performance.now()
    const request = () => Effect.sync((): Msg => ({ json: () => answer }) as unknown as Msg)
    const asked = { operation: "store", subject: "s", payload: "", timeoutMilliseconds: 1_000 }
    yield* Effect.exit(storeMessage({ request, noteStored: (sentAt) => void noted.push(sentAt) }, asked))
    for (const sentAt of noted) expect(sentAt).toBeGreaterThanOrEqual(began)
    return noted.length
  })

it.effect("only a message that the broker has stored shows that a majority of the brokers can be reached", () =>
  Effect.gen(function* () {
    expect(yield* storedWith({ seq: 1 })).toBe(1)
    expect(yield* storedWith({ seq: 1, duplicate: true })).toBe(0)
    expect(yield* storedWith({ error: { code: 400, err_code: 10_071, description: "wrong last sequence" } })).toBe(0)
  })
)
