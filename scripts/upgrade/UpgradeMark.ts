import { Effect } from "effect"
import type { BrokerFailure } from "../../src/protocol/BrokerError.ts"
import { headsStream, journalStream } from "../../src/protocol/Subject.ts"
import { journalConfig } from "../../src/nats/CommitChain.ts"
import type { BrokerConnection } from "../../src/nats/client/Connection.ts"
import { apiCode, askJetStream } from "../../src/nats/client/JetStreamApi.ts"
import { headsConfig } from "../../src/nats/HeadStore.ts"
import { ensureStream, streamConfigOf } from "../../src/nats/client/StreamSetup.ts"
import { upgradeDone, upgradeMetadata } from "../../src/nats/Topology.ts"
import { refuse } from "./UpgradeFailure.ts"

const upgradeRunning = "running"

const remove = (connection: BrokerConnection, stream: string) =>
  askJetStream<object>(connection, `STREAM.DELETE.${stream}`, {}).pipe(
    // A refusal is no failure if an unanswered request before it has deleted the stream.
    Effect.catchTag("BrokerRefused", (refused) =>
      refused.code === apiCode.streamNotFound ? Effect.void : Effect.fail(refused)
    )
  )

/**
 * Creates the journal with the mark of an unfinished upgrade. A journal with the mark of an unfinished upgrade was left
 * by an upgrade that did not end, and is removed first, after its heads. A journal without the mark of an unfinished
 * upgrade is left alone.
 */
export const beginJournal = Effect.fnUntraced(function* (connection: BrokerConnection, replicas: number) {
  const journal = yield* streamConfigOf(connection, journalStream)
  const heads = yield* streamConfigOf(connection, headsStream)
  const mark = journal?.metadata?.[upgradeMetadata]
  if (mark === upgradeDone) return yield* refuse("alreadyDone", "The upgrade is done already. Start the workers.")
  const isLeft = mark === upgradeRunning
  if (!isLeft && (journal !== undefined || heads !== undefined)) {
    const stream = journal === undefined ? headsStream : journalStream
    const problem = `The stream ${stream} exists, and no upgrade began it. Move it away, or ask who made it.`
    return yield* refuse("foreignJournal", problem)
  }
  if (isLeft && heads !== undefined) yield* remove(connection, headsStream)
  if (isLeft) yield* remove(connection, journalStream)
  yield* ensureStream(connection, { ...journalConfig(replicas), metadata: { [upgradeMetadata]: upgradeRunning } })
  yield* ensureStream(connection, headsConfig(replicas))
  return isLeft
})

/** Marks the journal as complete. Workers and edges start only on a journal that is marked as complete. */
export const markDone = (connection: BrokerConnection): Effect.Effect<void, BrokerFailure> =>
  Effect.gen(function* () {
    const config = yield* streamConfigOf(connection, journalStream)
    const metadata = { ...config?.metadata, [upgradeMetadata]: upgradeDone }
    yield* askJetStream<object>(connection, `STREAM.UPDATE.${journalStream}`, { ...config, metadata })
  })
