import { Clock, Context, Effect, Layer, Scheduler, type Scope } from "effect"
import { type SealBounds, sealBounds } from "../account/Account.ts"
import { actorPassivated } from "../metrics/Measures.ts"
import { AccountActor, type ActorContext, type ActorHands, type Envelope, type ResidentActor } from "./AccountActor.ts"
import { type ActorServices, makeActorRequests } from "./ActorRequests.ts"
import { ActorSlots, type SlotBounds } from "./ActorSlots.ts"

export interface ActorSettings extends SlotBounds {
  /** How long an actor without work stays in memory, in milliseconds. */
  readonly idleMilliseconds: number
}

/**
 * The bounds at which actors seal a part of their account's purchaseId set. The bounds are a reference with a default,
 * so that a simulation of few purchases can lower the bounds.
 */
export const Sealing = Context.Reference<SealBounds>("purchases/actor/Sealing", { defaultValue: () => sealBounds })

/** The actors of one partition epoch. The actors end when the Effect scope of the epoch closes. */
export interface EpochActors<Tag> {
  /**
   * Puts an envelope into the mailbox of a user's actor, and makes the actor if it is not in memory. Returns `false` if
   * there is no slot for the actor, or no room in its mailbox. After the end of the epoch, drops the envelope and
   * returns `true`.
   */
  readonly tell: (userToken: string, envelope: Envelope<Tag>) => boolean
}

/**
 * The actors of a worker, one for each user, with a bounded mailbox each. An actor without work leaves memory after a
 * while, or at once if another actor needs its slot. The actor that was unused for longest leaves memory first. If all
 * slots have actors with work, `tell` returns `false`. A caller that got `false` waits for `room`, and the broker keeps
 * further messages meanwhile.
 */
export class ActorRegistry extends Context.Service<
  ActorRegistry,
  {
    /** Makes the actors of an epoch, which end when the Effect scope closes. */
    readonly forEpoch: <Tag>(
      context: ActorContext<Tag>
    ) => Effect.Effect<EpochActors<Tag>, never, Scope.Scope | ActorServices>
    /**
     * Waits until there may be room for another actor. Room may come when an actor finishes its work, or when enough
     * actors have loaded their accounts.
     */
    readonly room: Effect.Effect<void>
    /** Returns how many actors are in memory. */
    readonly resident: () => number
  }
>()("purchases/actor/ActorRegistry") {
  static readonly layer = (settings: ActorSettings) =>
    Layer.effect(
      ActorRegistry,
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const dispatcher = (yield* Scheduler.Scheduler).makeDispatcher()
        const slots = new ActorSlots(settings, actorPassivated)
        yield* Effect.sync(() =>
          slots.passivateUnused(clock.currentTimeMillisUnsafe() - settings.idleMilliseconds)
        ).pipe(Effect.delay(Math.max(10, settings.idleMilliseconds / 4)), Effect.forever, Effect.forkScoped)

        let woken: Array<ResidentActor> = []
        const giveTurns = () => {
          const actors = woken
          woken = []
          for (const actor of actors) actor.turn()
        }
        const wake = (actor: ResidentActor) => {
          if (woken.push(actor) === 1) dispatcher.scheduleTask(giveTurns, 0)
        }

        const forEpoch = <Tag>(context: ActorContext<Tag>) =>
          Effect.gen(function* () {
            const requests = yield* makeActorRequests(context.partition, context.failed, context.stillOwner)
            const sealing = yield* Sealing
            const hands: ActorHands<Tag> = {
              ...context,
              requests,
              sealing,
              wake,
              loaded: (actor) => slots.loaded(actor),
              finished: (actor, purchaseIds) => slots.finished(actor, purchaseIds)
            }
            const actors = new Map<string, AccountActor<Tag>>()
            const ended = (userToken: string) => void actors.delete(userToken)
            let isOver = false
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => {
                isOver = true
                for (const actor of actors.values()) slots.passivate(actor)
              })
            )

            return {
              tell: (userToken: string, envelope: Envelope<Tag>) => {
                // An actor that is made after the end of its epoch would never be ended, and would keep its slot for
                // ever.
                if (isOver) return true
                let actor = actors.get(userToken)
                if (actor === undefined) {
                  if (!slots.hasRoom()) return false
                  actor = new AccountActor(userToken, hands, ended)
                  actors.set(userToken, actor)
                  slots.add(actor)
                }
                slots.use(actor, clock.currentTimeMillisUnsafe())
                return actor.offer(envelope)
              }
            }
          })

        return ActorRegistry.of({ forEpoch, room: slots.room, resident: () => slots.resident })
      })
    )
}
