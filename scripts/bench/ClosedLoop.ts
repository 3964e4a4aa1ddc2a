export interface ClosedLoop {
  /** The number of requests that wait for their answers at any time. */
  readonly atOnce: number
  readonly requests: number
  readonly send: (index: number) => Promise<void>
}

/**
 * Sends the next request whenever a request is answered. A closed loop measures the rate of a server, and not the time
 * of an answer.
 */
export const closedLoop = async ({ atOnce, requests, send }: ClosedLoop): Promise<void> => {
  let next = 0
  const sender = async () => {
    while (next < requests) {
      const index = next
      next += 1
      await send(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, requests) }, sender))
}
