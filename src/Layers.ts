import { Duration, Effect, Layer, Option } from "effect"
import { ActorRegistry } from "./actor/ActorRegistry.ts"
import { AlertFeed } from "./alerts/AlertFeed.ts"
import { BackTest } from "./alerts/BackTest.ts"
import { AlertPages } from "./alerts/AlertPages.ts"
import { rulesInAllLayer } from "./alerts/RulesInAll.ts"
import { RuleStore } from "./alerts/RuleStore.ts"
import { AccessControl } from "./edge/access/Access.ts"
import { jwtAccessLayer, type KeysUnreadable } from "./edge/access/JwtAccess.ts"
import { tokenAccessLayer } from "./edge/access/TokenAccess.ts"
import { alertViewOf } from "./edge/webhook/AlertView.ts"
import type { BrokerFailure } from "./protocol/BrokerError.ts"
import { edgeMetricsLayer } from "./edge/server/EdgeMetrics.ts"
import { PurchasePublisher } from "./intake/PurchasePublisher.ts"
import { AlertStatus } from "./status/AlertStatus.ts"
import { SystemStatus } from "./status/SystemStatus.ts"
import { Feed } from "./feed/Feed.ts"
import { alertJanitor } from "./judge/AlertJanitor.ts"
import { Judge } from "./judge/Judge.ts"
import { ruleCountLayer } from "./judge/RuleCountReport.ts"
import { JudgeMembership } from "./judge/JudgeMembership.ts"
import { judgeMetricsLayer } from "./judge/JudgeMetrics.ts"
import { AccountReader } from "./ledger/AccountReader.ts"
import { crashPointLayer } from "./ledger/CrashPoint.ts"
import { Heads } from "./ledger/Heads.ts"
import { HeadWriting } from "./ledger/HeadWriting.ts"
import { History } from "./ledger/History.ts"
import { HistorySearch } from "./ledger/HistorySearch.ts"
import { UserPages } from "./ledger/UserPages.ts"
import { TotalsBefore } from "./ledger/TotalsBefore.ts"
import { ConnectionState } from "./nats/client/ConnectionState.ts"
import { WorkCounters } from "./metrics/WorkCounters.ts"
import { AlertRetention } from "./nats/AlertRetention.ts"
import { AlertStream } from "./nats/AlertStream.ts"
import { AuditLog } from "./nats/AuditLog.ts"
import { CommitChain } from "./nats/CommitChain.ts"
import { AlertLog } from "./nats/AlertLog.ts"
import { CommitStream } from "./nats/CommitStream.ts"
import { checkCredentials } from "./nats/client/BrokerCredentials.ts"
import type { BrokerRole } from "./nats/client/BrokerRole.ts"
import { Connection } from "./nats/client/Connection.ts"
import { JournalTimes } from "./nats/JournalTimes.ts"
import { HeadStore } from "./nats/HeadStore.ts"
import { InputLog } from "./nats/InputLog.ts"
import { JudgeReader } from "./nats/JudgeReader.ts"
import { JournalCapacity } from "./nats/JournalCapacity.ts"
import { JudgeSigns } from "./nats/JudgeSigns.ts"
import { NoticeTransport } from "./nats/NoticeTransport.ts"
import { PartitionConsumer } from "./nats/PartitionConsumer.ts"
import { QueryTransport } from "./nats/QueryTransport.ts"
import { RejectedRecords } from "./nats/RejectedRecords.ts"
import { RuleCounts } from "./nats/RuleCounts.ts"
import { RuleValues } from "./nats/RuleValues.ts"
import { SendTransport } from "./nats/SendTransport.ts"
import { WebhookFeed } from "./nats/WebhookFeed.ts"
import { WebhookStore } from "./nats/WebhookStore.ts"
import { QueueDepth } from "./nats/QueueDepth.ts"
import { TokenStore } from "./nats/TokenStore.ts"
import { setUpStreams, Topology } from "./nats/Topology.ts"
import { InputBudget } from "./partition/InputBudget.ts"
import { OpenPurchases } from "./partition/OpenPurchases.ts"
import { janitor } from "./partition/Janitor.ts"
import { Membership } from "./partition/Membership.ts"
import { PartitionWorker } from "./partition/PartitionWorker.ts"
import { workerMetricsLayer } from "./partition/WorkerMetrics.ts"
import { WorkerBucket } from "./nats/WorkerBucket.ts"
import { NoticeInbox } from "./intake/NoticeInbox.ts"
import { NoticeSender } from "./partition/NoticeSender.ts"
import { QueryClient } from "./asking/QueryClient.ts"
import { tracesLayer } from "./runtime/TraceExport.ts"
import type { Settings } from "./Settings.ts"
import { deliverAssigned } from "./webhook/DeliveryDuty.ts"
import { openTargetRules, TargetRules } from "./webhook/Target.ts"

const connectionLayer = (settings: Settings, role: BrokerRole, name: string) =>
  Connection.layer({ url: settings.natsUrl, name, role, files: settings.brokerFiles })

/** Makes the connection of a process to the broker in one role, and the services that use the connection. */
export const brokerLayer = (settings: Settings, role: BrokerRole, name = `${role} ${settings.workerId}`) =>
  Layer.mergeAll(
    AlertStream.layer,
    AuditLog.layer,
    ConnectionState.layer,
    CommitChain.layer,
    CommitStream.layer,
    AlertLog.layer,
    JournalTimes.layer,
    HeadStore.layer,
    InputLog.layer,
    JudgeReader.layer,
    JournalCapacity.layer,
    JudgeSigns.layer,
    NoticeTransport.layer,
    PartitionConsumer.layer,
    QueryTransport.layer,
    RejectedRecords.layer,
    RuleCounts.layer,
    RuleValues.layer,
    QueueDepth.layer,
    SendTransport.layer,
    WebhookFeed.layer.pipe(Layer.provideMerge(WebhookStore.layer)),
    WorkerBucket.layer
  ).pipe(
    Layer.provideMerge(Topology.layer),
    Layer.provideMerge(connectionLayer(settings, role, name)),
    Layer.provideMerge(tracesLayer(settings, role))
  )

/** Creates the streams that are missing, in the role `admin`. */
export const setUp = (settings: Settings) =>
  setUpStreams(settings).pipe(
    Effect.provide(connectionLayer(settings, "admin", `setup ${settings.workerId}`)),
    Effect.scoped
  )

/** The rules about the URLs and addresses that webhooks may have, for edges and judges. */
const targetRulesLayer = ({ testWebhookLoopback }: Pick<Settings, "testWebhookLoopback">) =>
  testWebhookLoopback ? Layer.succeed(TargetRules, openTargetRules) : Layer.empty

/** The services of an edge for purchases and questions, which need the services of {@link brokerLayer}. */
export const purchasesLayer = Layer.mergeAll(
  PurchasePublisher.layer.pipe(Layer.provide(NoticeInbox.layer)),
  QueryClient.layer
)

/** Makes all services of an edge, which need the services of {@link brokerLayer}. */
export const edgeLayer = (settings: Pick<Settings, "workerLease" | "testWebhookLoopback">) =>
  edgeMetricsLayer.pipe(
    Layer.provideMerge(targetRulesLayer(settings)),
    Layer.provideMerge(
      Layer.mergeAll(
        Feed.layer,
        AlertFeed.layer,
        AlertPages.layer,
        RuleStore.layer.pipe(Layer.provide(rulesInAllLayer)),
        AlertStatus.layer,
        SystemStatus.layer(Duration.toMillis(settings.workerLease))
      )
    ),
    Layer.provideMerge(BackTest.layer),
    Layer.provideMerge(purchasesLayer)
  )

/** Makes the check of callers' tokens for an edge, which needs the services of {@link brokerLayer}. */
export const accessLayer = (
  settings: Pick<Settings, "auth" | "jwtKeys" | "jwtIssuer" | "jwtAudience">
): Layer.Layer<AccessControl, KeysUnreadable | BrokerFailure, AuditLog | Connection> => {
  if (settings.auth === "none") return Layer.succeed(AccessControl, { access: undefined })
  return settings.auth === "jwt"
    ? jwtAccessLayer(settings.jwtKeys, { issuer: settings.jwtIssuer, audience: settings.jwtAudience })
    : tokenAccessLayer.pipe(Layer.provide(TokenStore.layer))
}

const janitorLayer = (settings: Settings) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const worker = yield* PartitionWorker
      // Without this check of the janitor's key, a worker would notice a missing key only when the input log is full.
      yield* checkCredentials(settings.brokerFiles, "janitor")
      yield* Effect.forkScoped(
        janitor(
          {
            every: settings.janitorInterval,
            retention: settings.inputRetention
          },
          // One janitor of the input log is enough, so only the owner of the first partition runs a janitor.
          () => worker.owned().includes(0)
        )
      )
    })
  )

/** The services of an epoch below its actors, which need the services of {@link brokerLayer}. */
export const epochLayer = Layer.mergeAll(
  History.layer,
  HistorySearch.layer,
  InputBudget.layer,
  OpenPurchases.layer,
  NoticeSender.layer,
  TotalsBefore.layer,
  UserPages.layer,
  WorkCounters.layer
).pipe(Layer.provideMerge(Layer.mergeAll(AccountReader.layer, Heads.layer)))

/**
 * Makes all services of a worker, from the pull loop down to the chain. The services of a worker need the services of
 * {@link brokerLayer}.
 */
export const workerLayer = (settings: Settings) =>
  janitorLayer(settings).pipe(
    Layer.provideMerge(PartitionWorker.layer(settings.workerId)),
    Layer.provideMerge(
      Membership.layer({
        worker: settings.workerId,
        heartbeat: settings.workerHeartbeat,
        lease: settings.workerLease
      })
    ),
    Layer.provideMerge(
      ActorRegistry.layer({
        residentMax: settings.actorsResidentMax,
        purchaseIdsMax: settings.purchaseIdsResidentMax,
        idleMilliseconds: Duration.toMillis(settings.actorIdle)
      })
    ),
    Layer.provideMerge(epochLayer),
    Layer.provideMerge(
      Option.match(settings.testHeadsRevisions, {
        onNone: () => Layer.empty,
        onSome: (revisions) =>
          Layer.succeed(HeadWriting, { ...HeadWriting.defaultValue(), revisions, revisionsOfPartition: 0 })
      })
    ),
    Layer.provideMerge(crashPointLayer(Option.getOrUndefined(settings.testCrashPoint)))
  )

/** Makes the services of a worker with its metrics. */
export const measuredWorkerLayer = (settings: Settings) =>
  workerMetricsLayer.pipe(Layer.provideMerge(workerLayer(settings)))

/** Delivers alerts to the webhooks of the users in a judge's shards. */
const webhookLayer = (settings: Settings) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const judge = yield* Judge
      const { shards } = yield* AlertStream
      const assigned = () => new Set(judge.shards().keys())
      yield* Effect.forkScoped(deliverAssigned({ shards, assigned, view: alertViewOf(settings) }))
    })
  ).pipe(Layer.provide(targetRulesLayer(settings)))

const alertJanitorLayer = (settings: Settings) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const judge = yield* Judge
      const cleaning = { every: settings.janitorInterval, retention: settings.alertRetention }
      // One janitor of alerts is enough, so only the judge of the first shard runs a janitor.
      yield* Effect.forkScoped(alertJanitor(cleaning, () => judge.shards().has(0)))
    })
  ).pipe(Layer.provide(AlertRetention.layer))

/** Makes the services of a judge with its metrics, which need the services of {@link brokerLayer}. */
export const judgeLayer = (settings: Settings) =>
  Layer.mergeAll(
    judgeMetricsLayer,
    alertJanitorLayer(settings),
    ruleCountLayer(settings.workerId, settings.workerHeartbeat),
    webhookLayer(settings)
  ).pipe(
    Layer.provideMerge(Judge.layer(settings.workerId)),
    Layer.provideMerge(
      JudgeMembership.layer({
        judge: settings.workerId,
        heartbeat: settings.workerHeartbeat,
        lease: settings.workerLease
      })
    ),
    Layer.provideMerge(AccountReader.layer),
    Layer.provideMerge(crashPointLayer(Option.getOrUndefined(settings.testCrashPoint)))
  )
