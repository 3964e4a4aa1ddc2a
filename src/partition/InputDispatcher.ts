import { Effect, type Scope } from "effect"
import { ActorRegistry, type EpochActors } from "../actor/ActorRegistry.ts"
import type { Unreadable } from "../protocol/PurchaseMessage.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { ChainWriter } from "../ledger/ChainWriter.ts"
import type { InputMessage, InputProgress } from "../ledger/InputProgress.ts"
import { proposalWithoutRevision } from "../ledger/ProposalQueue.ts"
import type { Delivery, ReadDelivery } from "../nats/Delivery.ts"
import { recordAll, RejectedRecords } from "../nats/RejectedRecords.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import type { DispatchWatermark } from "./DispatchWatermark.ts"
import type { EpochState } from "./EpochState.ts"
import type { PartitionPurchases } from "./OpenPurchases.ts"
import { type OwnPartition, sortDelivery } from "./SortedDelivery.ts"

/** The parts of an epoch that the dispatcher of the epoch uses. */
export interface DispatchingEpoch {
  readonly own: OwnPartition
  readonly state: EpochState
  readonly progress: InputProgress<ReadDelivery>
  readonly openPurchases: PartitionPurchases
  readonly watermark: DispatchWatermark
  readonly actors: EpochActors<ReadDelivery>
  readonly writer: Pick<ChainWriter<ReadDelivery>, "submit">
  /**
   * Called when unreadable parts of a message are rejected. Before the call, the rejected records are stored, and the
   * commit that finishes the parts is durable.
   */
  readonly refused: (rejections: ReadonlyArray<Rejection>) => void
}

/**
 * Makes the function that gives a message to the actors of its users. The returned function waits while there is no
 * room for the message.
 */
export const makeInputDispatcher = (
  epoch: DispatchingEpoch
): Effect.Effect<(next: Delivery) => Effect.Effect<void>, never, ActorRegistry | RejectedRecords | Scope.Scope> =>
  Effect.gen(function* () {
    const registry = yield* ActorRegistry
    const rejected = yield* RejectedRecords
    const fork = yield* forkInScope()
    const { own, state, progress, openPurchases, watermark, actors, writer } = epoch

    /**
     * Stores the rejected records of unreadable parts of a message. When the records are stored, proposes that the
     * position pass the unreadable parts.
     */
    const refuse = (message: InputMessage<ReadDelivery>, unreadable: ReadonlyArray<Unreadable>) => {
      const rejections = unreadable.map((part): Rejection => ({ ...part, inputSequence: message.sequence }))
      const committed = () => epoch.refused(rejections)
      const recorded = recordAll(rejected, rejections).pipe(
        Effect.map(() =>
          writer.submit(proposalWithoutRevision({ parts: [message], purchases: unreadable.length, committed }))
        ),
        Effect.catch((failure) => Effect.sync(() => state.fail(failure.message)))
      )
      fork(recorded)
    }

    return Effect.fnUntraced(function* (next: Delivery) {
      yield* openPurchases.room
      const { byUser, unreadable } = sortDelivery(next, own)
      const { payload: _read, userToken: _sorted, ...delivery } = next
      const parts = byUser.length + (unreadable.length > 0 ? 1 : 0)
      const purchases = byUser.reduce((sum, { deliveries }) => sum + deliveries.length, unreadable.length)
      openPurchases.opened(purchases)
      const message = progress.receive(delivery.sequence, parts, delivery)
      if (unreadable.length > 0) refuse(message, unreadable)
      for (const { userToken, deliveries } of byUser) {
        while (!actors.tell(userToken, { kind: "purchases", deliveries, message })) yield* registry.room
      }
      watermark.reach(delivery.sequence)
    })
  })
