import { type Effect, Latch } from "effect"
import type { ResidentActor } from "./AccountActor.ts"
import { LruList } from "./LruList.ts"

/**
 * How many actors load their account at once; with so many, other users wait until half of them have it. Those who want the
 * same commit share a read of it, so more at once read less. Each takes memory that its purchases do not.
 */
export const loadingMax = 8_192

/** How many actors at the old end of the list are looked at to make room for another. */
const evictionLooksMax = 64

export interface SlotBounds {
  /** How many actors live at once in a worker. */
  readonly residentMax: number
  /** How many purchase ids all of them together keep, unless actors with work need more: 100 to 150 bytes each. */
  readonly purchaseIdsMax: number
}

/**
 * The slots of a worker's actors, of all its epochs, in the order of their last use. An actor that has nothing to do leaves
 * when another one needs its slot, the longest unused first.
 */
export class ActorSlots {
  /** Waits until an actor has finished its work, or enough of them have loaded. */
  readonly room: Effect.Effect<void>
  private readonly bounds: SlotBounds
  /** Told of each actor that leaves because of a bound or of its age. */
  private readonly passivated: () => void
  private readonly byUse = new LruList<ResidentActor>()
  private readonly someFinished = Latch.makeUnsafe(false)
  private purchaseIds = 0
  private loading = 0
  private isLoadingFull = false

  constructor(bounds: SlotBounds, passivated: () => void) {
    this.bounds = bounds
    this.passivated = passivated
    this.room = this.someFinished.await
  }

  get resident(): number {
    return this.byUse.size
  }

  /** Returns whether an actor that is not resident may come, and makes one leave for it if need be. */
  hasRoom(): boolean {
    this.isLoadingFull ||= this.loading >= loadingMax
    if (!this.isLoadingFull && (this.byUse.size < this.bounds.residentMax || this.evict())) return true
    this.someFinished.closeUnsafe()
    return false
  }

  /** Takes a slot for an actor, which begins to load. */
  add(actor: ResidentActor): void {
    this.loading += 1
    this.byUse.use(actor)
  }

  /** Makes an actor the newest. `now` is in milliseconds. */
  use(actor: ResidentActor, now: number): void {
    this.byUse.use(actor)
    actor.usedAt = now
  }

  /** Takes note that an actor has its account. */
  loaded(actor: ResidentActor): void {
    if (!actor.isLoading) return
    actor.isLoading = false
    this.loading -= 1
    if (this.loading * 2 <= loadingMax) this.isLoadingFull = false
    this.giveRoom()
  }

  /** Takes note that an actor has done its work; `purchaseIds` is the size of its purchaseId set. */
  finished(actor: ResidentActor, purchaseIds: number): void {
    this.weigh(actor, purchaseIds)
    this.giveRoom()
  }

  /** Ends an actor, and gives its slot away. */
  passivate(actor: ResidentActor): void {
    if (this.byUse.delete(actor)) this.purchaseIds -= actor.purchaseIds
    actor.end()
    this.loaded(actor)
    this.passivated()
    this.giveRoom()
  }

  /** Passivates the actors that had nothing to do since a moment, in milliseconds. */
  passivateUnused(before: number): void {
    for (let actor = this.byUse.oldest; actor !== undefined && actor.usedAt <= before;) {
      const { newer } = actor
      if (actor.isPassive) this.passivate(actor)
      actor = newer
    }
  }

  // Woken for each actor that has loaded, all who wait would mostly find that another took the slot.
  private giveRoom(): void {
    if (!this.isLoadingFull) this.someFinished.openUnsafe()
  }

  /** Passivates the actor that was unused for longest; `false` if none of the oldest is without work. */
  private evict(): boolean {
    let actor = this.byUse.oldest
    for (let looks = 0; actor !== undefined && looks < evictionLooksMax; looks += 1) {
      if (actor.isPassive) {
        this.passivate(actor)
        return true
      }
      actor = actor.newer
    }
    return false
  }

  private weigh(actor: ResidentActor, now: number): void {
    if (!this.byUse.has(actor)) return
    this.purchaseIds += now - actor.purchaseIds
    actor.purchaseIds = now
    while (this.purchaseIds > this.bounds.purchaseIdsMax && this.byUse.size > 1 && this.evict());
  }
}
