import { Context, Effect, Latch, Layer, type Scope } from "effect"
import type { AccountReads } from "../actor/AccountActor.ts"

/**
 * The most purchases of all partitions that are decoded and not committed. At {@link openPurchasesMax} purchases, a
 * partition with counted purchases waits, and keeps its next message undecoded. If more purchases were decoded, their
 * objects would live so long that the garbage collector would move them several times. Unreadable parts of messages
 * count too.
 *
 * One purchase of each account that is being read from the broker does not count towards the bound. If one purchase of
 * each such account counted, a worker without accounts in memory would have few reads in flight, and would mostly wait
 * for reads.
 */
export const openPurchasesMax = 1_000

/** The purchases of one partition that are decoded and not committed. */
export interface PartitionPurchases {
  /**
   * Waits until the partition has room for a message. A partition without counted purchases always has room, so that
   * other partitions cannot block this partition.
   */
  readonly room: Effect.Effect<void>
  /** Counts purchases that are decoded. */
  readonly opened: (purchases: number) => void
  /** Counts purchases that are committed. */
  readonly committed: (purchases: number) => void
  /** Counts the reads of accounts that begin and end. */
  readonly reads: AccountReads
}

interface Counted {
  /** The number of open purchases of the partition, minus one for each account that is being read. */
  open: number
  isOver: boolean
  readonly hasRoom: Latch.Latch
}

/** Counts the purchases that a worker has decoded and not committed, over all of its partitions. */
export class OpenPurchases extends Context.Service<
  OpenPurchases,
  {
    /** Counts the purchases of one epoch of a partition until the caller's scope closes. */
    readonly ofPartition: Effect.Effect<PartitionPurchases, never, Scope.Scope>
  }
>()("purchases/partition/OpenPurchases") {
  static readonly layer = Layer.sync(OpenPurchases, () => {
    const partitions = new Set<Counted>()
    let open = 0

    const update = ({ open: own, hasRoom }: Counted) => {
      if (own <= 0 || open < openPurchasesMax) hasRoom.openUnsafe()
      else hasRoom.closeUnsafe()
    }
    const count = (partition: Counted, purchases: number) => {
      if (partition.isOver) return
      const wasFull = open >= openPurchasesMax
      open += purchases
      partition.open += purchases
      if (wasFull === open >= openPurchasesMax) update(partition)
      else for (const each of partitions) update(each)
    }

    const ofPartition = Effect.acquireRelease(
      Effect.sync(() => {
        const partition: Counted = { open: 0, isOver: false, hasRoom: Latch.makeUnsafe(true) }
        partitions.add(partition)
        return partition
      }),
      (partition) =>
        Effect.sync(() => {
          partitions.delete(partition)
          count(partition, -partition.open)
          partition.isOver = true
        })
    ).pipe(
      Effect.map((partition) => ({
        room: partition.hasRoom.await,
        opened: (purchases: number) => count(partition, purchases),
        committed: (purchases: number) => count(partition, -purchases),
        reads: { begun: () => count(partition, -1), ended: () => count(partition, 1) }
      }))
    )
    return OpenPurchases.of({ ofPartition })
  })
}
