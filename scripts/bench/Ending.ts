/** A process or a service that runs until it is stopped. A second call of `stop` has no effect. */
export interface Stoppable {
  readonly stop: () => Promise<void>
}

const running = new Set<Promise<Stoppable>>()
let ending: Promise<void> | undefined

/** Starts a process or a service, and registers it, so that it is stopped when the benchmark ends early. */
export const started = async <R extends Stoppable>(start: () => Promise<R>): Promise<R> => {
  if (ending !== undefined) throw new Error("the benchmark is ending")
  const starting = start()
  running.add(starting)
  return starting
}

/** Stops all registered processes and services. The process or service that started last is stopped first. */
export const stopAll = (): Promise<void> => {
  ending ??= (async () => {
    for (const one of Array.from(running).toReversed()) {
      const [settled] = await Promise.allSettled([one])
      if (settled.status === "fulfilled") await settled.value.stop().catch(() => undefined)
    }
  })()
  return ending
}

/** Stops one process or service, and removes it from the registered ones. */
export const stopped = async (one: Stoppable): Promise<void> => {
  await one.stop()
  for (const starting of running) if ((await starting.catch(() => undefined)) === one) running.delete(starting)
}
