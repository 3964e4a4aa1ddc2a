import type { Scheduler } from "effect"
import type { Randomness } from "./Randomness.ts"

/**
 * Runs the ready tasks of fibers in an order that follows from a seed. So different seeds show different interleavings,
 * and each interleaving can be repeated. The clock of the simulated run calls `run`; no task runs by itself.
 */
export class SeededScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly random: Randomness
  private readonly tasks: Array<() => void> = []
  private readonly dispatcher: Scheduler.SchedulerDispatcher

  constructor(random: Randomness) {
    this.random = random
    this.dispatcher = { scheduleTask: (task) => void this.tasks.push(task), flush: () => this.run() }
  }

  shouldYield(): boolean {
    return false
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.dispatcher
  }

  /** Runs all ready tasks, and the tasks that become ready meanwhile, until all fibers wait. */
  run(): void {
    const { tasks } = this
    while (tasks.length > 0) {
      const index = tasks.length === 1 ? 0 : this.random.below(tasks.length)
      const task = tasks[index]
      const last = tasks.pop()
      if (task === undefined || last === undefined) return
      if (index < tasks.length) tasks[index] = last
      task()
    }
  }
}
