import { Cause, Clock, Context, Effect, Exit, type Fiber, Latch, Layer, Scheduler, type Scope } from "effect"
import { actorPassivated } from "../metrics/Measures.ts"
import { type ActorContext, type ActorPlace, type ActorServices, type Envelope, makeActors } from "./AccountActor.ts"
import { Mailbox } from "./Mailbox.ts"
import { Used, UseOrder } from "./UseOrder.ts"

export interface ActorSettings {
  /** How many actors live at once in a worker. */
  readonly residentMax: number
  /** How many purchase ids all of them together keep, unless actors with work need more: 100 to 150 bytes each. */
  readonly membersMax: number
  /** How long an actor without work stays, in milliseconds. */
  readonly idleMilliseconds: number
}

/** What the order of all residents knows of one, whatever its epoch. */
abstract class Listed extends Used {
  usedAt = 0
  members = 0
  isLoading = true
  abstract isPassive(): boolean
  abstract end(): void
}

/** Told of what residents do. */
interface Residence {
  readonly loaded: (resident: Listed) => void
  readonly finished: (resident: Listed, members: number) => void
}

/** An actor in its place: its mailbox, its fiber, and whether it has anything to do. */
class Resident<Tag> extends Listed implements ActorPlace<Tag> {
  fiber: Fiber.Fiber<never> | undefined
  private hasWork = true
  readonly userToken: string
  readonly mailbox: Mailbox<Envelope<Tag>>
  private readonly residents: Map<string, Resident<Tag>>
  private readonly residence: Residence

  constructor(
    userToken: string,
    mailbox: Mailbox<Envelope<Tag>>,
    residents: Map<string, Resident<Tag>>,
    residence: Residence
  ) {
    super()
    this.userToken = userToken
    this.mailbox = mailbox
    this.residents = residents
    this.residence = residence
    residents.set(userToken, this)
  }

  // Work is marked here and not by the actor's fiber, which may take an envelope a turn before it runs.
  offer(envelope: Envelope<Tag>): boolean {
    const taken = this.mailbox.offer(envelope)
    this.hasWork = true
    return taken
  }

  loaded() {
    this.residence.loaded(this)
  }

  finished(members: number) {
    if (this.mailbox.size === 0) this.hasWork = false
    this.residence.finished(this, members)
  }

  isPassive(): boolean {
    return !this.hasWork
  }

  end() {
    this.residents.delete(this.userToken)
    this.fiber?.interruptUnsafe()
  }
}

/** The actors of one partition epoch. They end when its scope closes. */
export interface EpochActors<Tag> {
  /**
   * Puts an envelope into a user's mailbox, and wakes the actor up if need be; false when there is no room for it.
   * When the epoch is over it is dropped, as everything that the epoch had in hand.
   */
  readonly tell: (userToken: string, envelope: Envelope<Tag>) => boolean
}

export interface EpochActorsOptions<Tag> extends ActorContext<Tag> {
  /** The most envelopes that one actor has waiting. */
  readonly mailboxMax: number
}

/**
 * How many actors load their account at once; with so many, other users wait until half of them have it. The input can
 * name users faster than the broker answers reads, and an actor that waits takes memory that its purchases do not.
 */
export const loadingMax = 512

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
      options: EpochActorsOptions<Tag>
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
        const byUse = new UseOrder<Listed>()
        const someFinished = Latch.makeUnsafe(false)

        let members = 0
        let loading = 0
        let isLoadingFull = false

        const loaded = (resident: Listed) => {
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

        const passivate = (resident: Listed) => {
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
            if (resident.isPassive()) {
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

        const weigh = (resident: Listed, now: number) => {
          if (!byUse.has(resident)) return
          members += now - resident.members
          resident.members = now
          while (members > settings.membersMax && byUse.size > 1 && evict());
        }

        const residence: Residence = {
          loaded,
          finished: (resident, members) => {
            weigh(resident, members)
            giveRoom()
          }
        }

        const passivateUnused = Effect.sync(() => {
          const before = clock.currentTimeMillisUnsafe() - settings.idleMilliseconds
          for (let resident = byUse.oldest; resident !== undefined && resident.usedAt <= before;) {
            const { newer } = resident
            if (resident.isPassive()) passivate(resident)
            resident = newer
          }
        })
        yield* passivateUnused.pipe(
          Effect.delay(Math.max(10, settings.idleMilliseconds / 4)),
          Effect.forever,
          Effect.forkScoped
        )

        const forEpoch = <Tag>(options: EpochActorsOptions<Tag>) =>
          Effect.gen(function* () {
            const run = Effect.runForkWith(yield* Effect.context<never>())
            const act = yield* makeActors(options)
            const { failed, mailboxMax } = options
            const residents = new Map<string, Resident<Tag>>()
            let isOver = false
            yield* Effect.addFinalizer(() =>
              Effect.sync(() => {
                isOver = true
                for (const resident of residents.values()) passivate(resident)
              })
            )

            const spawn = (userToken: string): Resident<Tag> => {
              const mailbox = new Mailbox<Envelope<Tag>>(mailboxMax, dispatcher)
              const resident = new Resident(userToken, mailbox, residents, residence)
              loading += 1
              resident.fiber = run(act(resident))
              resident.fiber.addObserver((exit) => {
                if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
                  failed(`the actor of ${userToken} died: ${Cause.pretty(exit.cause)}`)
                }
              })
              return resident
            }

            return {
              tell: (userToken: string, envelope: Envelope<Tag>) => {
                // An actor that came to life now would have nobody to end it, and keep its place for ever.
                if (isOver) return true
                let resident = residents.get(userToken)
                if (resident === undefined) {
                  if (!makeRoom()) return false
                  resident = spawn(userToken)
                }
                byUse.use(resident)
                resident.usedAt = clock.currentTimeMillisUnsafe()
                return resident.offer(envelope)
              }
            }
          })

        return ActorRegistry.of({ forEpoch, room: someFinished.await, resident: () => byUse.size })
      })
    )
}
