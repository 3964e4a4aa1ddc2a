import { ConfigProvider, Context, Effect, Layer, ManagedRuntime, References } from "effect"
import type { Hono } from "hono"
import { AlertFeed } from "../../alerts/AlertFeed.ts"
import { AccessControl } from "../../edge/access/Access.ts"
import { makeApp } from "../../edge/server/App.ts"
import type { EdgeServices } from "../../edge/runtime/EdgeRuntime.ts"
import { Feed } from "../../feed/Feed.ts"
import { AlertStream } from "../../nats/AlertStream.ts"
import { CommitChain } from "../../nats/CommitChain.ts"
import { HeadStore } from "../../nats/HeadStore.ts"
import { InputLog } from "../../nats/InputLog.ts"
import { JudgeReader } from "../../nats/JudgeReader.ts"
import { JudgeSigns } from "../../nats/JudgeSigns.ts"
import { PartitionConsumer } from "../../nats/PartitionConsumer.ts"
import { RejectedRecords } from "../../nats/RejectedRecords.ts"
import { WebhookStore } from "../../nats/WebhookStore.ts"
import { PartitionWorker } from "../../partition/PartitionWorker.ts"
import { Judge } from "../../judge/Judge.ts"
import { accessLayer, brokerLayer, edgeLayer, judgeLayer, measuredWorkerLayer, setUp } from "../../Layers.ts"
import { TraceSource } from "../../runtime/Traces.ts"
import { callerLimitsOf, type Settings, settings as readSettings } from "../../Settings.ts"
import { describedApp } from "./Description.ts"
import { testKeyFile } from "./TestKeys.ts"

/** Returns the settings for the processes of a test, read from an environment. */
export const testSettings = (environment: Record<string, string>): Settings =>
  Effect.runSync(
    readSettings.parse(
      ConfigProvider.fromEnvRecord({
        LOG_LEVEL: "Error",
        NATS_NKEY_FILE: testKeyFile,
        // All requests of a test come from one address. Tests send a new token again and again until the edge knows the
        // token.
        LIMIT_WRONG_TOKENS: "1000000",
        ...environment
      })
    )
  )

const quiet = (settings: Settings) => Layer.succeed(References.MinimumLogLevel, settings.logLevel)

/** Creates the streams of a test's broker, as `main.ts --role setup` does. */
export const setUpStreams = (settings: Settings): Promise<void> =>
  Effect.runPromise(setUp(settings).pipe(Effect.provide(quiet(settings))))

type Chain = (typeof CommitChain)["Service"]
type Heads = (typeof HeadStore)["Service"]
type Consumer = (typeof PartitionConsumer)["Service"]
type Input = (typeof InputLog)["Service"]
type Rejected = (typeof RejectedRecords)["Service"]

/**
 * Functions that replace services of a worker. Each function gets the real service, and returns the service that the
 * worker uses.
 */
export interface Replacements {
  readonly chain?: (real: Chain) => Chain
  readonly heads?: (real: Heads) => Heads
  readonly consumer?: (real: Consumer) => Consumer
  readonly input?: (real: Input) => Input
  readonly rejected?: (real: Rejected) => Rejected
}

const same = <A>(real: A): A => real

/**
 * Starts a worker in the test's process, on a broker of the test. The worker gets the services that `replace` returns.
 */
export const startWorker = async (
  settings: Settings,
  replace: Replacements = {},
  around: Layer.Layer<never> = Layer.empty
) => {
  const replaced = Layer.mergeAll(
    Layer.effect(CommitChain, Effect.map(Effect.service(CommitChain), replace.chain ?? same)),
    Layer.effect(HeadStore, Effect.map(Effect.service(HeadStore), replace.heads ?? same)),
    Layer.effect(PartitionConsumer, Effect.map(Effect.service(PartitionConsumer), replace.consumer ?? same)),
    Layer.effect(InputLog, Effect.map(Effect.service(InputLog), replace.input ?? same)),
    Layer.effect(RejectedRecords, Effect.map(Effect.service(RejectedRecords), replace.rejected ?? same))
  )
  const broker = replaced.pipe(Layer.provideMerge(brokerLayer(settings, "worker", "test worker")))
  const runtime = ManagedRuntime.make(
    measuredWorkerLayer(settings).pipe(
      Layer.provideMerge(broker),
      Layer.provideMerge(quiet(settings)),
      Layer.provideMerge(around)
    )
  )
  await setUpStreams(settings)
  const worker = await runtime.runPromise(Effect.service(PartitionWorker))
  return { runtime, worker, stop: () => runtime.dispose() }
}

type Alerts = (typeof AlertStream)["Service"]
type Reader = (typeof JudgeReader)["Service"]
type Signs = (typeof JudgeSigns)["Service"]
type Webhooks = (typeof WebhookStore)["Service"]

/**
 * Functions that replace services of a judge. Each function gets the real service, and returns the service that the
 * judge uses.
 */
export interface JudgeReplacements {
  readonly alerts?: (real: Alerts) => Alerts
  readonly chain?: (real: Chain) => Chain
  readonly reader?: (real: Reader) => Reader
  readonly signs?: (real: Signs) => Signs
  readonly webhooks?: (real: Webhooks) => Webhooks
}

/** Starts a judge in the test's process. The judge gets the services that `replace` returns. */
export const startJudge = async (settings: Settings, replace: JudgeReplacements = {}) => {
  const replaced = Layer.mergeAll(
    Layer.effect(AlertStream, Effect.map(Effect.service(AlertStream), replace.alerts ?? same)),
    Layer.effect(CommitChain, Effect.map(Effect.service(CommitChain), replace.chain ?? same)),
    Layer.effect(JudgeReader, Effect.map(Effect.service(JudgeReader), replace.reader ?? same)),
    Layer.effect(JudgeSigns, Effect.map(Effect.service(JudgeSigns), replace.signs ?? same)),
    Layer.effect(WebhookStore, Effect.map(Effect.service(WebhookStore), replace.webhooks ?? same))
  )
  const broker = replaced.pipe(Layer.provideMerge(brokerLayer(settings, "judge", "test judge")))
  const runtime = ManagedRuntime.make(
    judgeLayer(settings).pipe(Layer.provideMerge(broker), Layer.provideMerge(quiet(settings)))
  )
  await setUpStreams(settings)
  const judge = await runtime.runPromise(Effect.service(Judge))
  return { runtime, judge, stop: () => runtime.dispose() }
}

export type TestJudge = Awaited<ReturnType<typeof startJudge>>

export type TestWorker = Awaited<ReturnType<typeof startWorker>>

export interface TestEdge {
  readonly app: Hono
  readonly services: Context.Context<EdgeServices>
  readonly drain: () => void
  readonly stop: () => Promise<void>
}

/**
 * Starts an edge in the test's process. Requests to an edge in the test's process go to `app.request`, without a
 * socket.
 */
export const startEdge = async (settings: Settings, around: Layer.Layer<never> = Layer.empty): Promise<TestEdge> => {
  const runtime = ManagedRuntime.make(
    Layer.merge(edgeLayer(settings), accessLayer(settings)).pipe(
      Layer.provideMerge(brokerLayer(settings, "edge", "test edge")),
      Layer.provideMerge(quiet(settings)),
      Layer.provideMerge(around)
    )
  )
  await setUpStreams(settings)
  const services = await runtime.runPromise(Effect.context<EdgeServices | AccessControl>())
  const { access } = Context.get(services, AccessControl)
  let isDraining = false
  const app = describedApp(
    makeApp({
      runPromiseExit: Effect.runPromiseExitWith(services),
      isDraining: () => isDraining,
      pathPrefix: settings.pathPrefix,
      compatibleRoutes: settings.compatibleRoutes,
      demo: settings.demo,
      access,
      callerLimits: callerLimitsOf(settings),
      auditPosts: settings.auditPosts,
      wrongTokensMax: settings.limitWrongTokens,
      traces: Context.get(services, TraceSource)
    })
  )
  const drain = () => {
    isDraining = true
    for (const { stop } of [Context.get(services, Feed), Context.get(services, AlertFeed)]) Effect.runSync(stop)
  }
  return { app, services, drain, stop: () => runtime.dispose() }
}
