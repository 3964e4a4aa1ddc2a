import { Context, Effect, Layer, Semaphore } from "effect"
import { Topology } from "../nats/Topology.ts"

const bytesPerMebibyte = 1024 * 1024

/**
 * The most bytes of input that a worker asks for and holds, over all partitions. A broker closes the connection of a
 * client for which 64 MiB wait. Everything that was asked for on a connection is lost when the broker closes it. For
 * this reason the bound is half of 64 MiB, also for a slow worker.
 */
export const inputBytesMax = 32 * bytesPerMebibyte
/** The part of `inputBytesMax` that is kept for messages larger than a partition's share. */
const oversizedBytesMax = 8 * bytesPerMebibyte
/** The most bytes of the share of one partition. A larger share does not make a partition faster. */
const partitionBytesMax = 4 * bytesPerMebibyte
/** The bytes that are added for the two subjects of a delivery, which count beside its payload and headers. */
const subjectsBytesMax = 4 * 1024

/** The shares of a worker's partitions in {@link inputBytesMax}. */
export interface InputShares {
  /** The bytes that one partition asks for and holds, oversized messages aside. */
  readonly partitionBytes: number
  /** The bytes that a pull request names to get one message of any size. */
  readonly messageBytes: number
  /** The most oversized messages that are asked for at once. */
  readonly oversizedAtOnce: number
}

/** Returns the shares of a worker's partitions. The shares keep the bound even if the worker owns every partition. */
export const inputShares = (partitions: number, messageBytesMax: number): InputShares => {
  const messageBytes = messageBytesMax + subjectsBytesMax
  const share = Math.floor((inputBytesMax - oversizedBytesMax) / partitions)
  return {
    partitionBytes: Math.min(share, partitionBytesMax),
    messageBytes,
    oversizedAtOnce: Math.max(1, Math.floor(oversizedBytesMax / messageBytes))
  }
}

/** Limits the input that the partitions of a worker ask the broker for together. */
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
