import { Scheduler } from "effect"

/**
 * Effect's scheduler with one queue of tasks for the whole process. By default Effect gives each root fiber, for
 * example each request, a queue of its own and turns of the event loop of its own.
 */
export class SharedScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly mixed = new Scheduler.MixedScheduler("async")
  private readonly dispatcher = this.mixed.makeDispatcher()

  shouldYield(fiber: Parameters<Scheduler.Scheduler["shouldYield"]>[0]): boolean {
    return this.mixed.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }
}
