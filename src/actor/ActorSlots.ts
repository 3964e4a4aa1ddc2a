import { type Effect, Latch } from "effect"
import type { ResidentActor } from "./AccountActor.ts"
import { LruList } from "./LruList.ts"

/**
 * The most actors that load their account at once. If this many actors load, other users wait until half of these
 * actors have loaded their accounts. Actors that load at the same time and need the same commit share one read of that
 * commit. Loads at the same time therefore take fewer reads than loads one after the other. The number of loads at once
 * is bounded because each load takes memory.
 */
export const loadingMax = 8_192

/** The most actors that are checked, the longest unused first, to find an actor that can leave memory. */
const evictionLooksMax = 64

/** The bounds on the actors of a worker. */
export interface SlotBounds {
  /** The most actors in memory. */
  readonly residentMax: number
  /**
   * The most purchase ids that all actors keep together, unless actors with work need more. A purchase id takes 100 to
   * 150 bytes of memory.
   */
  readonly purchaseIdsMax: number
}

/**
 * The slots of a worker's actors, over all of its epochs. A slot is the room in memory for one actor. An actor without
 * work leaves memory if another actor needs its slot. The actor that was unused for longest leaves memory first.
 */
export class ActorSlots {
  /**
   * Waits until there may be room for another actor. Room may come when an actor finishes its work, or when enough
   * actors have loaded their accounts.
   */
  readonly room: Effect.Effect<void>
  private readonly bounds: SlotBounds
  /** Called for each actor that leaves memory. */
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

  /** The number of actors in memory. */
  get resident(): number {
    return this.byUse.size
  }

  /** Returns whether there is a slot for one more actor. Makes an actor leave memory if no slot is free. */
  hasRoom(): boolean {
    this.isLoadingFull ||= this.loading >= loadingMax
    if (!this.isLoadingFull && (this.byUse.size < this.bounds.residentMax || this.evict())) return true
    this.someFinished.closeUnsafe()
    return false
  }

  /** Takes a slot for an actor that begins to load its account. */
  add(actor: ResidentActor): void {
    this.loading += 1
    this.byUse.use(actor)
  }

  /** Makes an actor the one that was used last. `now` is in milliseconds. */
  use(actor: ResidentActor, now: number): void {
    this.byUse.use(actor)
    actor.usedAt = now
  }

  /** Takes note that an actor has loaded its account. */
  loaded(actor: ResidentActor): void {
    if (!actor.isLoading) return
    actor.isLoading = false
    this.loading -= 1
    if (this.loading * 2 <= loadingMax) this.isLoadingFull = false
    this.giveRoom()
  }

  /** Takes note that an actor has finished its work. `purchaseIds` is the size of the actor's purchaseId set. */
  finished(actor: ResidentActor, purchaseIds: number): void {
    this.weigh(actor, purchaseIds)
    this.giveRoom()
  }

  /** Ends an actor, and frees its slot. */
  passivate(actor: ResidentActor): void {
    if (this.byUse.delete(actor)) this.purchaseIds -= actor.purchaseIds
    actor.end()
    this.loaded(actor)
    this.passivated()
    this.giveRoom()
  }

  /** Passivates the actors without work that were last used at or before a time, in milliseconds. */
  passivateUnused(before: number): void {
    for (let actor = this.byUse.oldest; actor !== undefined && actor.usedAt <= before;) {
      const { newer } = actor
      if (actor.isPassive) this.passivate(actor)
      actor = newer
    }
  }

  // If each loaded actor woke all callers that wait for room, most callers would find no room.
  private giveRoom(): void {
    if (!this.isLoadingFull) this.someFinished.openUnsafe()
  }

  /**
   * Passivates the longest unused actor without work. Returns `false` if all of the {@link evictionLooksMax} longest
   * unused actors have work.
   */
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

  /**
   * Counts the size of an actor's purchaseId set. Passivates actors without work while all purchaseId sets together are
   * too large.
   */
  private weigh(actor: ResidentActor, now: number): void {
    if (!this.byUse.has(actor)) return
    this.purchaseIds += now - actor.purchaseIds
    actor.purchaseIds = now
    while (this.purchaseIds > this.bounds.purchaseIdsMax && this.byUse.size > 1 && this.evict());
  }
}
