import type { Scheduler } from "effect"
import type { Randomness } from "./Randomness.ts"

/**
 * Runs what fibers have ready in an order that a seed decides, so that a run shows interleavings that the order of
 * scheduling alone would never show, and shows them again.
 */
export class SeededScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly random: Randomness
  private tasks: Array<() => void> = []
  private isPumping = false

  constructor(random: Randomness) {
    this.random = random
  }

  shouldYield(): boolean {
    return false
  }

  private readonly pump = () => {
    while (this.tasks.length > 0) {
      const index = this.random.below(this.tasks.length)
      const last = this.tasks.length - 1
      const task = this.tasks[index]
      const moved = this.tasks[last]
      if (task === undefined || moved === undefined) break
      this.tasks[index] = moved
      this.tasks.pop()
      task()
    }
    this.isPumping = false
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task) => {
        this.tasks.push(task)
        if (this.isPumping) return
        this.isPumping = true
        queueMicrotask(this.pump)
      },
      flush: () => this.pump()
    }
  }
}
