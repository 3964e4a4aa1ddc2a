import { Effect, MutableList, type Scheduler } from "effect"

/**
 * What an actor was given and has not taken yet: in order, bounded, and taken by one fiber. Effect's Queue does that for
 * any number of fibers on both sides; as mailboxes of a hundred thousand actors it took a tenth of a worker's time.
 */
export class Mailbox<A> {
  private readonly capacity: number
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  private readonly waiting = MutableList.make<A>()
  private wake: ((woken: Effect.Effect<void>) => void) | undefined

  /** `dispatcher` gives the actor its turn: what is offered until then it finds together. */
  constructor(capacity: number, dispatcher: Scheduler.SchedulerDispatcher) {
    this.capacity = capacity
    this.dispatcher = dispatcher
  }

  get size(): number {
    return this.waiting.length
  }

  /** Puts something at the end; false when there is no room for it. */
  offer(item: A): boolean {
    if (this.waiting.length >= this.capacity) return false
    MutableList.append(this.waiting, item)
    const { wake } = this
    if (wake === undefined) return true
    this.wake = undefined
    this.dispatcher.scheduleTask(() => wake(Effect.void), 0)
    return true
  }

  /** Takes what is at the front, if there is something. */
  take(): A | undefined {
    const item = MutableList.take(this.waiting)
    return item === MutableList.Empty ? undefined : item
  }

  /** Waits until there is something. */
  get filled(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.waiting.length > 0) resume(Effect.void)
      else this.wake = resume
    })
  }
}
