import { Clock, Context, Effect, Latch, Layer, Scheduler, type Scope } from "effect"
import { type SealBounds, sealBounds } from "../domain/Account.ts"
import { actorPassivated } from "../metrics/Measures.ts"
import { AccountActor, type ActorContext, type ActorHands, type Envelope, type ListedActor } from "./AccountActor.ts"
import { type ActorServices, makeActorRequests } from "./ActorRequests.ts"
import { UseOrder } from "./UseOrder.ts"

export interface ActorSettings {
  /** How many actors live at once in a worker. */
  readonly residentMax: number
  /** How many purchase ids all of them together keep, unless actors with work need more: 100 to 150 bytes each. */
  readonly membersMax: number
  /** How long an actor without work stays, in milliseconds. */
  readonly idleMilliseconds: number
}

/** When accounts seal. A reference with a default, so that a simulation of few purchases seals too. */
export const Sealing = Context.Reference<SealBounds>("purchases/actor/Sealing", { defaultValue: () => sealBounds })

/** The actors of one partition epoch. They end when its scope closes. */
export interface EpochActors<Tag> {
  /**
   * Puts an envelope into a user's mailbox, and wakes the actor up if need be; false when there is no room for it.
   * When the epoch is over it is dropped, as everything that the epoch had in hand.
   */
  readonly tell: (userToken: string, envelope: Envelope<Tag>) => boolean
}

/**
 * How many actors load their account at once; with so many, other users wait until half of them have it. Those who want the
 * same commit share a read of it, so more at once read less. Each takes memory that its purchases do not.
 */
export const loadingMax = 8_192

/** How many actors at the old end of the list are looked at to make room for another. */
const evictionLooksMax = 64

/**
 * The actors of a worker: one a user, with a bounded mailbox each. One that has nothing to do is passivated after a
 * while, or at once when another needs its place, longest unused first. When all places are taken by actors with
 * work, `tell` says no and `room` waits; whoever delivers stops then, and the broker keeps the rest.
 */
export class ActorRegistry extends Context.Service<
  ActorRegistry,
  {
    readonly forEpoch: <Tag>(
      context: ActorContext<Tag>
    ) => Effect.Effect<EpochActors<Tag>, never, Scope.Scope | ActorServices>
    /** Waits until an actor has finished its work, or enough of them have loaded. */
    readonly room: Effect.Effect<void>
    readonly resident: () => number
  }
>()("purchases/actor/ActorRegistry") {
  static readonly layer = (settings: ActorSettings) =>
    Layer.effect(
      ActorRegistry,
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const dispatcher = (yield* Scheduler.Scheduler).makeDispatcher()
        // Actors of all epochs, because they share the places.
        const byUse = new UseOrder<ListedActor>()
        const someFinished = Latch.makeUnsafe(false)

        let members = 0
        let loading = 0
        let isLoadingFull = false

        const loaded = (resident: ListedActor) => {
          if (!resident.isLoading) return
          resident.isLoading = false
          loading -= 1
          if (loading * 2 <= loadingMax) isLoadingFull = false
          giveRoom()
        }

        // Woken for each actor that has loaded, all who wait would mostly find that another took its place.
        const giveRoom = () => {
          if (!isLoadingFull) someFinished.openUnsafe()
        }

        const passivate = (resident: ListedActor) => {
          if (byUse.delete(resident)) members -= resident.members
          resident.end()
          loaded(resident)
          actorPassivated()
          giveRoom()
        }

        /** Passivates the actor that was unused for longest; false when none of the oldest is without work. */
        const evict = (): boolean => {
          let resident = byUse.oldest
          for (let looks = 0; resident !== undefined && looks < evictionLooksMax; looks += 1) {
            if (resident.isPassive) {
              passivate(resident)
              return true
            }
            resident = resident.newer
          }
          return false
        }

        const makeRoom = (): boolean => {
          isLoadingFull ||= loading >= loadingMax
          if (!isLoadingFull && (byUse.size < settings.residentMax || evict())) return true
          someFinished.closeUnsafe()
          return false
        }

        const weigh = (resident: ListedActor, now: number) => {
          if (!byUse.has(resident)) return
          members += now - resident.members
          resident.members = now
          while (members > settings.membersMax && byUse.size > 1 && evict());
        }

        const finished = (resident: ListedActor, members: number) => {
          weigh(resident, members)
          giveRoom()
        }

        const passivateUnused = Effect.sync(() => {
          const before = clock.currentTimeMillisUnsafe() - settings.idleMilliseconds
          for (let resident = byUse.oldest; resident !== undefined && resident.usedAt <= before;) {
            const { newer } = resident
            if (resident.isPassive) passivate(resident)
            resident = newer
          }
        })
        yield* passivateUnused.pipe(
          Effect.delay(Math.max(10, settings.idleMilliseconds / 4)),
          Effect.forever,
          Effect.forkScoped
        )

        let woken: Array<ListedActor> = []
        const giveTurns = () => {
          const actors = woken
          woken = []
          for (const actor of actors) actor.turn()
        }
        const wake = (actor: ListedActor) => {
          if (woken.push(actor) === 1) dispatcher.scheduleTask(giveTurns, 0)
        }

        const forEpoch = <Tag>(context: ActorContext<Tag>) =>
          Effect.gen(function* () {
            const requests = yield* makeActorRequests(context.partition, context.failed)
            const sealing = yield* Sealing
            const hands: ActorHands<Tag> = { ...context, requests, sealing, wake, loaded, finished }
            const actors = new Map<string, AccountActor<Tag>>()
            const ended = (userToken: string) => void actors.delete(userToken)
            let isOver = false
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => {
                isOver = true
                for (const actor of actors.values()) passivate(actor)
              })
            )

            return {
              tell: (userToken: string, envelope: Envelope<Tag>) => {
                // An actor that came to life now would have nobody to end it, and keep its place for ever.
                if (isOver) return true
                let actor = actors.get(userToken)
                if (actor === undefined) {
                  if (!makeRoom()) return false
                  actor = new AccountActor(userToken, hands, ended)
                  actors.set(userToken, actor)
                  loading += 1
                }
                byUse.use(actor)
                actor.usedAt = clock.currentTimeMillisUnsafe()
                return actor.offer(envelope)
              }
            }
          })

        return ActorRegistry.of({ forEpoch, room: someFinished.await, resident: () => byUse.size })
      })
    )
}
