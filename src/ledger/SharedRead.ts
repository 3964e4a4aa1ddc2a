import { Effect, type Exit } from "effect"

/**
 * One read for all that wait at that moment: whoever asks while a read is under way waits for the next one, so that
 * each answer was read after it was asked for. One read is in flight at a time.
 */
export const makeSharedRead = <A, E>(
  read: Effect.Effect<A, E>,
  run: (effect: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void) => void
): Effect.Effect<A, E> => {
  let waiting: Array<(exit: Exit.Exit<A, E>) => void> = []
  let reading = false

  const start = () => {
    const asked = waiting
    waiting = []
    reading = true
    run(read, (exit) => {
      reading = false
      if (waiting.length > 0) start()
      for (const settle of asked) settle(exit)
    })
  }

  return Effect.callback<A, E>((resume) => {
    waiting.push(resume)
    if (!reading) start()
  })
}
