/** The signal of the operating system that ends a command. */
export class Interrupted extends Error {
  override readonly name = "Interrupted"
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`${signal} ended it.`)
    this.signal = signal
  }
}

/**
 * Returns an abort signal that the first SIGINT or SIGTERM aborts. A second SIGINT or SIGTERM ends the process at once.
 */
export const interruption = (): AbortSignal => {
  const controller = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => controller.abort(new Interrupted(signal)))
  }
  return controller.signal
}

/** Ends this process by the signal that interrupted it, so that a shell sees the signal. */
export const endBy = ({ signal }: Interrupted): void => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
