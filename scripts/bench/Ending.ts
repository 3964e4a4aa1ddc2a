/** Something that runs until it is stopped. Stopping it again does nothing. */
export interface Stoppable {
  readonly stop: () => Promise<void>
}

const running = new Set<Promise<Stoppable>>()
let ending: Promise<void> | undefined

/** Remembers what is being started, so that it is stopped whatever ends the benchmark. */
export const started = async <R extends Stoppable>(start: () => Promise<R>): Promise<R> => {
  if (ending !== undefined) throw new Error("the benchmark is ending")
  const starting = start()
  running.add(starting)
  return starting
}

/** Stops everything, last started first. */
export const stopAll = (): Promise<void> => {
  ending ??= (async () => {
    for (const one of Array.from(running).toReversed()) {
      const [settled] = await Promise.allSettled([one])
      if (settled.status === "fulfilled") await settled.value.stop().catch(() => undefined)
    }
  })()
  return ending
}

/** Stops one thing and forgets it. */
export const stopped = async (one: Stoppable): Promise<void> => {
  await one.stop()
  for (const starting of running) if ((await starting.catch(() => undefined)) === one) running.delete(starting)
}
