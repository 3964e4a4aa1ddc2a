import { Duration, Effect, Layer, type Scope } from "effect"
import { formerLedgerStream, inputStream } from "../../src/protocol/Subject.ts"
import { AccountReader } from "../../src/ledger/AccountReader.ts"
import { Heads } from "../../src/ledger/Heads.ts"
import { History } from "../../src/ledger/History.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { type BrokerConnection, Connection } from "../../src/nats/client/Connection.ts"
import { HeadStore } from "../../src/nats/HeadStore.ts"
import { PartitionConsumer } from "../../src/nats/PartitionConsumer.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { ensureStream, streamConfigOf } from "../../src/nats/client/StreamSetup.ts"
import { partitionsMetadata } from "../../src/nats/Topology.ts"
import { WorkerBucket, workersConfig } from "../../src/nats/WorkerBucket.ts"
import type { Settings } from "../../src/Settings.ts"
import { cachedChainLayer } from "./CachedChain.ts"
import { upgradeWorker } from "./ChainReplay.ts"
import { type FormerLedger, makeFormerLedger } from "./FormerLedger.ts"
import { replayRecords } from "./RecordsReplay.ts"
import { replayAll, type ReplayLimits } from "./Replay.ts"
import { refuse } from "./UpgradeFailure.ts"
import { beginJournal, markDone } from "./UpgradeMark.ts"
import { verifyAccounts, verifyRecords } from "./Verification.ts"

export type UpgradeSettings = Pick<Settings, "natsUrl" | "brokerFiles" | "replicas" | "workerLease" | "workerHeartbeat">

/** Reports the progress of the upgrade to a person. */
export interface UpgradeReport {
  /** Prints a line that stays. */
  readonly say: (line: string) => void
  /** Prints a line that the next line replaces. */
  readonly progress: (text: string) => void
}

type Chain = (typeof CommitChain)["Service"]
type Records = (typeof RejectedRecords)["Service"]

/**
 * Replacements of services of the broker. Each function of the replacements gets the real service, and returns the
 * service to use.
 */
export interface Replacements {
  readonly chain?: (real: Chain) => Chain
  readonly records?: (real: Records) => Records
}

export interface UpgradeOptions {
  readonly settings: UpgradeSettings
  readonly limits: ReplayLimits
  readonly report: UpgradeReport
  /** Replaces services of the broker. Only tests replace services. */
  readonly replace?: Replacements
}

/** The settings of the former installation. */
interface FormerSetup {
  readonly partitions: number
  readonly replicas: number
}

/** Reads the settings of the former installation. Fails if the broker has no former installation. */
const readSetup = Effect.fnUntraced(function* (connection: BrokerConnection) {
  const ledger = yield* streamConfigOf(connection, formerLedgerStream)
  if (ledger === undefined) {
    const problem = `There is nothing to upgrade: the broker has no stream ${formerLedgerStream}. Is NATS_URL right?`
    return yield* refuse("nothingToUpgrade", problem)
  }
  const input = yield* streamConfigOf(connection, inputStream)
  const partitions = Number(input?.metadata?.[partitionsMetadata])
  if (Number.isInteger(partitions) && partitions > 0) {
    return { partitions, replicas: ledger.num_replicas } satisfies FormerSetup
  }
  const problem = `The stream ${inputStream} is missing, or does not say how many partitions there are. Restore it first.`
  return yield* refuse("nothingToUpgrade", problem)
})

/**
 * Fails if a worker gave a sign of life within its lease. An upgrade that runs gives signs of life, too, as a worker
 * does.
 */
const refuseWorkers = Effect.fnUntraced(function* (lease: Duration.Duration) {
  const signs = yield* Effect.flatMap(WorkerBucket, ({ read }) => read)
  const alive = signs.filter(({ silentMilliseconds }) => silentMilliseconds < Duration.toMillis(lease))
  if (alive.length === 0) return
  const names = alive.map(({ worker }) => (worker === upgradeWorker ? "another upgrade" : `the worker ${worker}`))
  const seconds = Duration.toMillis(lease) / 1_000
  const problem = `Still alive: ${names.join(", ")}. Stop all workers and edges. One that was killed counts as alive for ${seconds} s.`
  yield* refuse("workerAlive", problem)
})

/** Gives signs of life until the scope closes, so that no other upgrade begins before that. */
const giveSigns = (
  heartbeat: Duration.Duration
): Effect.Effect<void, { readonly message: string }, WorkerBucket | Scope.Scope> =>
  Effect.gen(function* () {
    const bucket = yield* WorkerBucket
    const instance = yield* bucket.announce(upgradeWorker, 0)
    yield* Effect.addFinalizer(() => Effect.ignore(bucket.leave(upgradeWorker, instance)))
    const sign = Effect.andThen(Effect.sleep(heartbeat), Effect.ignore(bucket.announce(upgradeWorker, instance)))
    yield* Effect.forkScoped(Effect.forever(sign))
  })

const same = <A>(real: A): A => real

const journalLayer = ({ chain, records }: Replacements) =>
  Layer.mergeAll(
    Layer.effect(CommitChain, Effect.map(Effect.service(CommitChain), chain ?? same)).pipe(
      Layer.provide(CommitChain.layer)
    ),
    Layer.effect(RejectedRecords, Effect.map(Effect.service(RejectedRecords), records ?? same)).pipe(
      Layer.provide(RejectedRecords.layer)
    ),
    HeadStore.layer,
    PartitionConsumer.layer
  )

/** The services with which the product reads accounts, behind a cache of commits. */
const readingLayer = Layer.mergeAll(Heads.layer, History.layer.pipe(Layer.provideMerge(AccountReader.layer))).pipe(
  Layer.provideMerge(cachedChainLayer)
)

/**
 * Removes the consumers of former epochs: new epochs have lower numbers, and could get the number of a former epoch,
 * whose consumer has the same name.
 */
const removeConsumers = Effect.fnUntraced(function* (partitions: number) {
  const consumers = yield* PartitionConsumer
  for (let partition = 0; partition < partitions; partition += 1) {
    yield* consumers.deleteBefore(partition, Number.POSITIVE_INFINITY)
  }
})

/** Writes the new layout and compares all of it with the former layout. */
const writeAndVerify = Effect.fnUntraced(function* (options: UpgradeOptions, former: FormerLedger, setup: FormerSetup) {
  const { limits, report } = options
  const { partitions } = setup
  const before = yield* former.state
  const records = yield* replayRecords(former)
  report.say(`Written: ${records.rejected} rejected records with ${records.steps} steps of replays.`)
  const written = yield* replayAll({ former, partitions, limits, progress: report.progress })
  const { accounts, purchases, revisions, commits, segments } = written
  report.say(
    `Written: ${purchases} purchases of ${accounts} accounts, in ${revisions} revisions, ${commits} commits and ${segments} segments.`
  )
  yield* verifyRecords(former, records)
  const verified = yield* verifyAccounts({ former, partitions, progress: report.progress }).pipe(
    Effect.provide(readingLayer)
  )
  report.say(
    `Compared: ${verified.purchases} purchases of ${verified.accounts} accounts and ${records.rejected} rejected records. All are the same.`
  )
  const after = yield* former.state
  if (after.lastSequence === before.lastSequence && after.messages === before.messages) return
  const problem = `The stream ${formerLedgerStream} was written meanwhile. Stop all workers and edges, and run the upgrade again.`
  yield* refuse("failed", problem)
})

/** Upgrades an installation: everything of `KV_ledger` is written into `KV_journal`, and compared. */
export const upgrade = (options: UpgradeOptions) => {
  const { settings, report } = options
  return Effect.gen(function* () {
    const connection = yield* Connection
    const setup = yield* readSetup(connection)
    const replicas = Math.max(setup.replicas, settings.replicas)
    yield* ensureStream(connection, workersConfig(replicas))
    yield* Effect.gen(function* () {
      yield* refuseWorkers(settings.workerLease)
      yield* giveSigns(settings.workerHeartbeat)
      const isAgain = yield* beginJournal(connection, replicas)
      if (isAgain) report.say("An upgrade before this one did not end. What it wrote was removed.")
      yield* writeAndVerify(options, makeFormerLedger(connection, options.limits.pageValuesMax), setup).pipe(
        Effect.andThen(removeConsumers(setup.partitions)),
        Effect.provide(journalLayer(options.replace ?? {}))
      )
      yield* markDone(connection)
    }).pipe(Effect.provide(WorkerBucket.layer))
    report.say(`Done. Start the workers and edges. The stream ${formerLedgerStream} is as it was.`)
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Connection.layer({ url: settings.natsUrl, name: "upgrade", role: "admin", files: settings.brokerFiles })
    )
  )
}
