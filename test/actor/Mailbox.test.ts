import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { Mailbox } from "../../src/actor/Mailbox.ts"

/** A dispatcher that runs what it was given when it is told to. */
const makeTurns = () => {
  const tasks: Array<() => void> = []
  const turn = () => {
    for (const task of tasks.splice(0)) task()
  }
  return { turn, tasks, dispatcher: { scheduleTask: (task: () => void) => void tasks.push(task), flush: turn } }
}

const takeAll = <A>(mailbox: Mailbox<A>): Array<A> => {
  const taken: Array<A> = []
  for (let item = mailbox.take(); item !== undefined; item = mailbox.take()) taken.push(item)
  return taken
}

describe("Mailbox", () => {
  it("gives what it was given, in order, and is empty then", () => {
    const mailbox = new Mailbox<string>(3, makeTurns().dispatcher)
    expect(["a", "b", "c"].map((item) => mailbox.offer(item))).toEqual([true, true, true])
    expect([mailbox.size, takeAll(mailbox), mailbox.size, mailbox.take()]).toEqual([3, ["a", "b", "c"], 0, undefined])
  })

  it("takes nothing above its capacity, and more when there is room again", () => {
    const mailbox = new Mailbox<string>(2, makeTurns().dispatcher)
    expect(["a", "b", "c"].map((item) => mailbox.offer(item))).toEqual([true, true, false])
    expect(mailbox.take()).toBe("a")
    expect(mailbox.offer("d")).toBe(true)
    expect(takeAll(mailbox)).toEqual(["b", "d"])
  })

  it("wakes who waits in the next turn, once, for all that was offered until then", () => {
    const { turn, tasks, dispatcher } = makeTurns()
    const mailbox = new Mailbox<string>(9, dispatcher)
    const woken: Array<ReadonlyArray<string>> = []
    const waiting = Effect.sync(() => woken.push(takeAll(mailbox)))
    Effect.runFork(Effect.forever(Effect.andThen(mailbox.filled, waiting), { disableYield: true }))
    mailbox.offer("a")
    mailbox.offer("b")
    expect([woken, tasks.length]).toEqual([[], 1])
    turn()
    expect(woken).toEqual([["a", "b"]])
    mailbox.offer("c")
    turn()
    expect(woken).toEqual([["a", "b"], ["c"]])
  })

  it("lets nobody wait while there is something, and keeps it for the next when who waited is interrupted", () => {
    const { turn, dispatcher } = makeTurns()
    const mailbox = new Mailbox<string>(9, dispatcher)
    const interrupted = Effect.runFork(mailbox.filled)
    mailbox.offer("a")
    Effect.runFork(Fiber.interrupt(interrupted))
    turn()
    expect(Effect.runFork(mailbox.filled).pollUnsafe()?._tag).toBe("Success")
    expect(takeAll(mailbox)).toEqual(["a"])
    expect(Effect.runFork(mailbox.filled).pollUnsafe()).toBeUndefined()
  })
})
