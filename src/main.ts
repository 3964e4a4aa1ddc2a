import { setPriority } from "node:os"
import { parseArgs } from "node:util"
import { Cause, Context, Effect, Exit, Layer, Logger, ManagedRuntime, References, Scheduler, Scope } from "effect"
import { AlertFeed } from "./alerts/AlertFeed.ts"
import { failureOf } from "./runtime/ExitFailure.ts"
import { AccessControl } from "./edge/access/Access.ts"
import { makeApp } from "./edge/server/App.ts"
import type { EdgeServices } from "./edge/runtime/EdgeRuntime.ts"
import { serveHttp } from "./edge/server/HttpServer.ts"
import { Feed } from "./feed/Feed.ts"
import { metricsApp } from "./metrics/MetricsApp.ts"
import { PartitionWorker } from "./partition/PartitionWorker.ts"
import { Judge } from "./judge/Judge.ts"
import { accessLayer, brokerLayer, edgeLayer, judgeLayer, measuredWorkerLayer, setUp } from "./Layers.ts"
import { callerLimitsOf, readEnvironment, refuseOpenEdge, type Settings } from "./Settings.ts"
import { TraceSource } from "./runtime/Traces.ts"
import { SharedScheduler } from "./runtime/SharedScheduler.ts"

const roles = ["edge", "worker", "judge", "all", "setup"] as const
type Role = (typeof roles)[number]

const usage = `usage: main.ts --role ${roles.join("|")}`

/** Ends the process with exit code 1 and a message. */
const refuse = (message: string): never => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const readRole = (): Role => {
  try {
    const { values } = parseArgs({ options: { role: { type: "string", default: "all" } } })
    return roles.find((role) => role === values.role) ?? refuse(usage)
  } catch {
    return refuse(usage)
  }
}

const processLayer = (settings: Settings) =>
  Layer.mergeAll(
    Logger.layer([Logger.consoleJson]),
    Layer.succeed(References.MinimumLogLevel, settings.logLevel),
    Layer.succeed(Scheduler.Scheduler, new SharedScheduler())
  )

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve())
  })

/** Serves the metrics of a worker or a judge, on the loopback interface only. */
const serveMetrics = (port: number, scope: Scope.Scope) =>
  serveHttp(metricsApp(Effect.runPromise), "127.0.0.1", port, undefined, { setting: "METRICS_PORT" }).pipe(
    Effect.tap((opened) => Effect.logInfo("serving metrics").pipe(Effect.annotateLogs({ port: opened }))),
    Scope.provide(scope)
  )

/**
 * Waits for one step of the start of the process, and returns its result. If the step fails, the process ends with the
 * message of the failure. A stop signal during the step ends the process.
 */
const start = async <A, E>(step: Promise<Exit.Exit<A, E>>, stop: Promise<void>): Promise<A> => {
  const exit = await Promise.race([step, stop])
  if (exit === undefined) return process.exit(0)
  if (Exit.isSuccess(exit)) return exit.value
  const failure = failureOf(exit)
  const message = failure instanceof Error ? failure.message : undefined
  return refuse(message ?? Cause.pretty(exit.cause))
}

const runWorker = async (settings: Settings, around: Layer.Layer<never>, stop: Promise<void>): Promise<void> => {
  const layer = measuredWorkerLayer(settings).pipe(
    Layer.provideMerge(brokerLayer(settings, "worker")),
    Layer.provideMerge(around)
  )
  const runtime = ManagedRuntime.make(layer)
  const scope = Effect.runSync(Scope.make())
  const worker = await start(runtime.runPromiseExit(Effect.service(PartitionWorker)), stop)
  if (settings.metricsPort > 0) await start(runtime.runPromiseExit(serveMetrics(settings.metricsPort, scope)), stop)
  await stop
  await runtime.runPromise(worker.drain)
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
}

const runJudge = async (
  settings: Settings,
  around: Layer.Layer<never>,
  metricsPort: number,
  stop: Promise<void>
): Promise<void> => {
  const layer = judgeLayer(settings).pipe(
    Layer.provideMerge(brokerLayer(settings, "judge")),
    Layer.provideMerge(around)
  )
  const runtime = ManagedRuntime.make(layer)
  const scope = Effect.runSync(Scope.make())
  const judge = await start(runtime.runPromiseExit(Effect.service(Judge)), stop)
  if (metricsPort > 0) await start(runtime.runPromiseExit(serveMetrics(metricsPort, scope)), stop)
  await stop
  await runtime.runPromise(judge.stop)
  await runtime.runPromise(Scope.close(scope, Exit.void))
  await runtime.dispose()
}

const runEdge = async (settings: Settings, around: Layer.Layer<never>, stop: Promise<void>): Promise<void> => {
  const layer = Layer.merge(edgeLayer(settings), accessLayer(settings)).pipe(
    Layer.provideMerge(brokerLayer(settings, "edge")),
    Layer.provideMerge(around)
  )
  const runtime = ManagedRuntime.make(layer)
  const services = await start(runtime.runPromiseExit(Effect.context<EdgeServices | AccessControl>()), stop)
  const { access } = Context.get(services, AccessControl)
  const { pathPrefix, compatibleRoutes, demo, allowedHosts, allowedOrigins } = settings
  let isDraining = false
  const runPromiseExit = Effect.runPromiseExitWith(services)
  const callerLimits = callerLimitsOf(settings)
  const app = makeApp({
    runPromiseExit,
    isDraining: () => isDraining,
    pathPrefix,
    compatibleRoutes,
    demo,
    access,
    callerLimits,
    auditPosts: settings.auditPosts,
    wrongTokensMax: settings.limitWrongTokens,
    traces: Context.get(services, TraceSource)
  })
  const scope = Effect.runSync(Scope.make())
  const { certificate, key } = settings.edgeCertificate
  const serving = serveHttp(app, settings.host, settings.port, undefined, {
    certificate: certificate === undefined || key === undefined ? undefined : { certificate, key },
    pathPrefix,
    allowedHosts,
    allowedOrigins,
    connections: settings
  }).pipe(
    Effect.tap((port) => Effect.logInfo("serving HTTP").pipe(Effect.annotateLogs({ host: settings.host, port }))),
    Scope.provide(scope)
  )
  await start(runtime.runPromiseExit(serving), stop)
  await stop
  isDraining = true
  const endFeeds = Effect.andThen(
    Effect.flatMap(Feed, (feed) => feed.stop),
    Effect.flatMap(AlertFeed, (feed) => feed.stop)
  )
  await runtime.runPromise(Effect.all([Effect.logInfo("draining"), endFeeds, Scope.close(scope, Exit.void)]))
  await runtime.dispose()
}

const role = readRole()
const stop = stopSignal()
const settings = await start(Effect.runPromiseExit(readEnvironment), stop)
const isIn = (...names: ReadonlyArray<Role>): boolean => role === "all" || names.includes(role)
if (isIn("edge")) await start(Effect.runPromiseExit(refuseOpenEdge(settings)), stop)
// On busy processors, the work for purchases goes before the work for alerts. In a process of all roles, worker and
// judge share one thread.
if (role === "judge") setPriority(settings.judgeNice)
const around = processLayer(settings)
if (isIn("setup")) await start(Effect.runPromiseExit(Effect.provide(setUp(settings), around)), stop)
// Worker and judge of one process have the same metrics, which the worker serves.
const judgeMetricsPort = role === "judge" ? settings.metricsPort : 0
await Promise.all([
  ...(isIn("worker") ? [runWorker(settings, around, stop)] : []),
  ...(isIn("judge") ? [runJudge(settings, around, judgeMetricsPort, stop)] : []),
  ...(isIn("edge") ? [runEdge(settings, around, stop)] : [])
])
process.exit(0)
