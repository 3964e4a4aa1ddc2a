import { it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { describe, expect } from "vitest"
import { ActorRegistry } from "../../src/actor/ActorRegistry.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { InputProgress } from "../../src/ledger/InputProgress.ts"
import type { RevisionProposal } from "../../src/ledger/ProposalQueue.ts"
import type { ReadDelivery } from "../../src/nats/Delivery.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { DispatchWatermark } from "../../src/partition/DispatchWatermark.ts"
import { openEpochState } from "../../src/partition/EpochState.ts"
import { makeInputDispatcher } from "../../src/partition/InputDispatcher.ts"
import { OpenPurchases } from "../../src/partition/OpenPurchases.ts"

const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const services = Layer.mergeAll(
  OpenPurchases.layer,
  Layer.mock(ActorRegistry, { room: Effect.void, resident: () => 0 }),
  Layer.mock(RejectedRecords, { record: () => Effect.void })
)

/** Dispatches one message to actors that propose nothing. Returns the counted purchases and the proposals. */
const dispatched = Effect.fnUntraced(function* (payload: string) {
  const { ofPartition } = yield* OpenPurchases
  const openPurchases = yield* ofPartition
  const counted: Array<number> = []
  const told: Array<number> = []
  const proposals: Array<RevisionProposal<ReadDelivery>> = []
  const dispatch = yield* makeInputDispatcher({
    own: { partition: 0, partitions: 1 },
    state: yield* openEpochState,
    progress: new InputProgress<ReadDelivery>(0),
    openPurchases: { ...openPurchases, opened: (purchases) => void counted.push(purchases) },
    watermark: new DispatchWatermark(0),
    actors: {
      tell: (_user, envelope) => {
        told.push(envelope.kind === "purchases" ? envelope.deliveries.length : 0)
        return true
      }
    },
    writer: { submit: (proposal) => void proposals.push(proposal) },
    refused: () => undefined
  })
  yield* dispatch({
    sequence: 1,
    storedAt: 1_000,
    deliverySequence: 1,
    payload: Buffer.from(payload),
    userToken: undefined,
    bytes: payload.length,
    noticeTo: undefined,
    traceparents: undefined,
    acknowledgeSubject: "ack"
  })
  yield* settle
  return { counted, told, proposed: proposals.map(({ purchases }) => purchases) }
})

describe("a message that is dispatched", () => {
  it.effect("each purchase of a message is counted once, whether it is readable or not", () =>
    Effect.gen(function* () {
      const readable = inputMessage([sold("ann", "p1"), sold("bob", "p2"), sold("ann", "p3")])
      const whole: { readonly purchases: ReadonlyArray<object> } = JSON.parse(readable)
      const mixed = JSON.stringify({ ...whole, purchases: [...whole.purchases, {}, { userId: "cid" }] })
      expect(yield* dispatched(readable)).toEqual({ counted: [3], told: [2, 1], proposed: [] })
      expect(yield* dispatched(mixed)).toEqual({ counted: [5], told: [2, 1], proposed: [2] })
      expect(yield* dispatched("no JSON")).toEqual({ counted: [1], told: [], proposed: [1] })
    }).pipe(Effect.scoped, Effect.provide(services))
  )
})
