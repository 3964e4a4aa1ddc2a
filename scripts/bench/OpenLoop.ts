export interface OpenLoop {
  readonly perSecond: number
  readonly requests: number
  /**
   * Sends one request, and resolves when the request is answered. `due` is the time at which the request should be
   * sent.
   */
  readonly send: (index: number, due: number) => Promise<void>
}

/**
 * Sends requests when they are due, whether or not earlier requests are answered. A request that is sent late has a
 * `due` in the past, so that its delay counts as latency.
 */
export const openLoop = async ({ perSecond, requests, send }: OpenLoop): Promise<void> => {
  const began = performance.now()
  const sent: Array<Promise<void>> = []
  while (sent.length < requests) {
    for (let due = began; sent.length < requests;) {
      due = began + (sent.length * 1_000) / perSecond
      if (due > performance.now()) break
      sent.push(send(sent.length, due))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(sent)
}
