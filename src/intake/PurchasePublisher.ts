import { Context, Deferred, Effect, Exit, Layer } from "effect"
import { BrokerUnavailable } from "../protocol/BrokerError.ts"
import type { EntryRequest } from "../account/Entry.ts"
import type { Cents } from "../account/Money.ts"
import type { Purchase } from "../account/Purchase.ts"
import { Topology } from "../nats/Topology.ts"
import { RequestSpan, type TraceContext, TraceSource } from "../runtime/Traces.ts"
import { GroupSender } from "./GroupSender.ts"
import { PublishCall } from "./PublishCall.ts"
import {
  EdgeOverloaded,
  type Published,
  type PublishFailure,
  type PublishResult,
  purchasesWaitingMax
} from "./PublishResult.ts"
import { WaitingPurchases } from "./WaitingPurchases.ts"

/** The outcome of a purchase whose notice says that the purchase is applied. */
export interface AppliedByNotice {
  readonly kind: "applied"
  /** The account's total after the purchase, in cents. */
  readonly totalAfter: Cents
}

/** Purchases of a body of lines for which the edge has room. */
export interface Submitted {
  /** Waits until each purchase has a result, and returns the results in the order of the purchases. */
  readonly results: Effect.Effect<ReadonlyArray<PublishResult>>
}

const stopping = new BrokerUnavailable({ operation: "store purchases", reason: "the edge is stopping" })

interface StoredOnly {
  readonly kind: "stored"
  readonly published: Published
}

/**
 * Publishes a purchase. Succeeds when the purchase's notice comes; if no notice comes in time, succeeds with the
 * purchase's input sequence.
 */
const publishForNotice = (
  waiting: WaitingPurchases,
  sender: GroupSender,
  purchase: Purchase,
  span: TraceContext | undefined
): Effect.Effect<AppliedByNotice | StoredOnly, PublishFailure> =>
  Effect.callback((resume) => {
    if (waiting.count >= purchasesWaitingMax) return resume(Effect.fail(new EdgeOverloaded()))
    let published: Published | undefined
    const missed = () => {
      if (published !== undefined) resume(Effect.succeed({ kind: "stored", published }))
    }
    const call = new PublishCall(
      [purchase],
      false,
      ([result]) => {
        if (result === undefined) return
        if (Exit.isFailure(result)) return resume(Effect.failCause(result.cause))
        published = result.value
        // The broker dropped this message as a duplicate, and the notice goes to the sender of the first message with
        // the same id.
        if (published.duplicate) missed()
      },
      span
    )
    sender.sendCall(call, { applied: (totalAfter) => resume(Effect.succeed({ kind: "applied", totalAfter })), missed })
  })

/** Stores purchases in the input log for the routes of an edge. */
export class PurchasePublisher extends Context.Service<
  PurchasePublisher,
  {
    /**
     * Stores purchases and reversals, and returns one result for each of the given purchases and reversals, in the
     * given order. With `storeEveryCopy` the broker stores a purchase even if it has stored the same purchase before.
     * The broker stores every copy of a reversal.
     */
    readonly publish: (
      purchases: ReadonlyArray<EntryRequest>,
      options?: { readonly storeEveryCopy: boolean }
    ) => Effect.Effect<ReadonlyArray<PublishResult>>
    /**
     * Stores a purchase, and waits for the notice that the purchase is applied. If no notice comes in time, runs
     * `otherwise` with the input sequence of the purchase.
     */
    readonly publishAndWait: <A, E, R>(
      purchase: Purchase,
      otherwise: (published: Published) => Effect.Effect<A, E, R>
    ) => Effect.Effect<AppliedByNotice | A, PublishFailure | E, R>
    /**
     * Waits until the edge has room for all purchases and reversals of the call, which come from a body of lines. The
     * edge gives room in the order of the calls. The `results` of the answer wait until each purchase and reversal is
     * stored or has failed.
     */
    readonly submit: (purchases: ReadonlyArray<EntryRequest>) => Effect.Effect<Submitted>
    /** Returns how many purchases wait to be stored. */
    readonly waiting: () => number
  }
>()("purchases/edge/PurchasePublisher") {
  static readonly layer = Layer.effect(
    PurchasePublisher,
    Effect.gen(function* () {
      const { partitions } = yield* Topology
      const waiting = new WaitingPurchases(partitions)
      const sender = yield* GroupSender.make(waiting)
      yield* Effect.addFinalizer(() => Effect.sync(() => waiting.failAll(stopping)))

      /** Runs work with the span of the request whose effect runs. Without traces, runs the work with `undefined`. */
      const spanned: <A, E, R>(
        work: (span: TraceContext | undefined) => Effect.Effect<A, E, R>
      ) => Effect.Effect<A, E, R> =
        (yield* TraceSource) === undefined ? (work) => work(undefined) : (work) => Effect.flatMap(RequestSpan, work)

      const publishAndWait = <A, E, R>(
        purchase: Purchase,
        otherwise: (published: Published) => Effect.Effect<A, E, R>
      ) =>
        Effect.flatMap(
          spanned((span) => publishForNotice(waiting, sender, purchase, span)),
          (outcome): Effect.Effect<AppliedByNotice | A, E, R> =>
            outcome.kind === "applied" ? Effect.succeed(outcome) : otherwise(outcome.published)
        )

      return PurchasePublisher.of({
        publish: (purchases, options) =>
          spanned((span) =>
            Effect.callback((resume) => {
              if (waiting.count + purchases.length > purchasesWaitingMax) {
                return resume(Effect.succeed(purchases.map(() => Exit.fail(new EdgeOverloaded()))))
              }
              const done = (results: ReadonlyArray<PublishResult>) => resume(Effect.succeed(results))
              sender.sendCall(new PublishCall(purchases, options?.storeEveryCopy === true, done, span))
            })
          ),
        publishAndWait,
        submit: (purchases) =>
          spanned((span) =>
            Effect.callback((resume) => {
              if (purchases.length === 0) return resume(Effect.succeed({ results: Effect.succeed([]) }))
              const settled = Deferred.makeUnsafe<ReadonlyArray<PublishResult>>()
              const done = (results: ReadonlyArray<PublishResult>) =>
                Deferred.doneUnsafe(settled, Exit.succeed(results))
              const withdraw = waiting.submit({
                call: new PublishCall(purchases, false, done, span),
                admitted: () => resume(Effect.succeed({ results: Deferred.await(settled) }))
              })
              sender.sendSubmitted()
              return Effect.sync(withdraw)
            })
          ),
        waiting: () => waiting.count
      })
    })
  )
}
