import type { JetStreamManager } from "nats"
import { headOf } from "../../src/protocol/Commit.ts"
import { commitSubject, inputStream, journalStream, partitionFilter } from "../../src/protocol/Subject.ts"
import { withClient } from "./BrokerClient.ts"

const lookEveryMilliseconds = 2
/** The longest time for which the position of a partition may stay the same before the wait fails. */
const stillMilliseconds = 60_000
const noMessage = "10037"

const newest = async (manager: JetStreamManager, stream: string, subject: string) => {
  try {
    return await manager.streams.getMessage(stream, { last_by_subj: subject })
  } catch (cause) {
    const { api_error } = cause as { api_error?: { err_code: number } }
    if (String(api_error?.err_code) === noMessage) return undefined
    throw cause
  }
}

/** The workers and the broker that apply purchases. */
export interface Applying {
  readonly workers: ReadonlyArray<{ readonly pid: number; readonly hasEnded: boolean }>
  readonly broker: { readonly pid: number; readonly url: string }
  readonly partitions: number
}

/**
 * Waits until the position of each partition has reached the newest message of the input log. Waits without questions
 * to the workers: asks only the broker, with one request at a time.
 */
export const untilApplied = ({ workers, broker, partitions }: Applying): Promise<void> =>
  withClient(broker.url, async (client) => {
    const manager = await client.jetstreamManager()
    const position = async (partition: number) => {
      const stored = await newest(manager, journalStream, commitSubject(partition))
      return stored === undefined ? 0 : headOf(stored.string()).position
    }
    for (let partition = 0; partition < partitions; partition += 1) {
      const last = (await newest(manager, inputStream, partitionFilter(partition)))?.seq ?? 0
      let reached = -1
      let movedAt = performance.now()
      for (let at = await position(partition); at < last; at = await position(partition)) {
        if (at !== reached) movedAt = performance.now()
        reached = at
        const hasEnded = workers.some((worker) => worker.hasEnded)
        if (hasEnded || performance.now() - movedAt > stillMilliseconds) {
          throw new Error(`partition ${partition} stays at ${at} of ${last}${hasEnded ? ": a worker ended" : ""}`)
        }
        await new Promise((resolve) => setTimeout(resolve, lookEveryMilliseconds))
      }
    }
  })
