import { Context, Effect, Layer, type Scope, Semaphore } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import type { CommitConflict } from "../nats/client/ConditionalAppend.ts"
import { HeadStore } from "../nats/HeadStore.ts"
import type { LedgerInconsistent } from "./AccountReader.ts"
import { readChain, restoreHeads } from "./HeadRestore.ts"
import { HeadWriter, type WriterHands } from "./HeadWriter.ts"
import { HeadWriting } from "./HeadWriting.ts"
import { type HeadUsers, headUsersOf } from "./HeadUsers.ts"

/** The heads of one partition in one epoch. */
export interface PartitionHeads {
  readonly users: HeadUsers
  /** Returns the sequence of a user's newest revision; 0 for a user without a revision. */
  readonly find: (userToken: string) => number
  /**
   * Sets the heads of the users of a commit. A caller must not call `committed` before the broker has acknowledged the
   * commit.
   */
  readonly committed: (userTokens: ReadonlyArray<string>, sequence: number) => void
  /**
   * Writes a hint with the heads that changed, or a base with all heads. After a failed write of heads, the next write
   * is a base.
   */
  readonly write: Effect.Effect<void, BrokerFailure | CommitConflict>
}

/** Opens the heads of the partitions that a worker owns. */
export class Heads extends Context.Service<
  Heads,
  {
    /**
     * Restores the heads of a partition up to an epoch's take-over record. After the restore, writes hints and bases
     * after commits of the epoch, until the caller's scope closes. Fails with `LedgerInconsistent` if the chain ends
     * before the take-over record.
     */
    readonly open: (
      partition: number,
      epoch: number
    ) => Effect.Effect<PartitionHeads, BrokerFailure | LedgerInconsistent, Scope.Scope>
  }
>()("purchases/ledger/Heads") {
  static readonly layer = Layer.effect(
    Heads,
    Effect.gen(function* () {
      const store = yield* HeadStore
      const chain = yield* CommitChain
      const hands: WriterHands = { store, bounds: yield* HeadWriting, writing: yield* Semaphore.make(1) }

      const open = Effect.fnUntraced(function* (partition: number, epoch: number) {
        const restored = yield* restoreHeads(store, partition, epoch)
        const { table, manifest } = restored
        const behind = yield* readChain(chain, partition, table, manifest.through + 1, epoch)
        const writer = new HeadWriter(hands, partition, epoch, restored, behind)
        yield* Effect.forkScoped(writer.writeBehind)
        return {
          users: headUsersOf(table),
          find: (userToken) => table.find(userToken),
          committed: (userTokens, sequence) => writer.committed(userTokens, sequence),
          write: writer.write
        } satisfies PartitionHeads
      })

      return Heads.of({ open })
    })
  )
}
