import { Context, Effect, Layer, Semaphore } from "effect"
import { Topology } from "../nats/Topology.ts"

const bytesPerMebibyte = 1024 * 1024

/**
 * The most bytes of input that a worker requests and holds, over all partitions. A broker closes the connection of a
 * client if more than 64 MiB wait for the client. A closed connection loses everything that was requested on the
 * connection. The bound is half of 64 MiB, so that the broker does not close the connection of a slow worker.
 */
export const inputBytesMax = 32 * bytesPerMebibyte
/** The part of `inputBytesMax` that a worker reserves for messages that are larger than a partition's share. */
const oversizedBytesMax = 8 * bytesPerMebibyte
/** The most bytes of the share of one partition. A larger share does not make a partition faster. */
const partitionBytesMax = 4 * bytesPerMebibyte
/**
 * The most bytes of the two subjects of a delivery, which the broker counts in addition to the payload and the headers.
 */
const subjectsBytesMax = 4 * 1024

/** The shares of single partitions in {@link inputBytesMax}. */
export interface InputShares {
  /** The most bytes that one partition requests and holds, without oversized messages. */
  readonly partitionBytes: number
  /** The bytes of a pull request for one message of any size. */
  readonly messageBytes: number
  /** The most oversized messages that a worker requests at once. */
  readonly oversizedAtOnce: number
}

/**
 * Returns the share of each partition. The sum of the shares is within the bound even if one worker owns every
 * partition.
 */
export const inputShares = (partitions: number, messageBytesMax: number): InputShares => {
  const messageBytes = messageBytesMax + subjectsBytesMax
  const share = Math.floor((inputBytesMax - oversizedBytesMax) / partitions)
  return {
    partitionBytes: Math.min(share, partitionBytesMax),
    messageBytes,
    oversizedAtOnce: Math.max(1, Math.floor(oversizedBytesMax / messageBytes))
  }
}

/** Limits the input that all partitions of a worker together request from the broker. */
export class InputBudget extends Context.Service<
  InputBudget,
  {
    readonly partitionBytes: number
    readonly messageBytes: number
    /** Runs the pull of one oversized message. Waits while {@link InputShares.oversizedAtOnce} pulls are under way. */
    readonly oversized: <A, E, R>(pull: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  }
>()("purchases/partition/InputBudget") {
  static readonly layer = Layer.effect(
    InputBudget,
    Effect.gen(function* () {
      const { partitions, messageBytesMax } = yield* Topology
      const { partitionBytes, messageBytes, oversizedAtOnce } = inputShares(partitions, messageBytesMax)
      const semaphore = yield* Semaphore.make(oversizedAtOnce)
      return InputBudget.of({ partitionBytes, messageBytes, oversized: (pull) => semaphore.withPermit(pull) })
    })
  )
}
