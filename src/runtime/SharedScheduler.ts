import { Scheduler } from "effect"

/**
 * Effect's scheduler with one queue of tasks for the whole process. By default each root fiber, such as a request, has
 * its own queue, and takes its own turns of the event loop.
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
