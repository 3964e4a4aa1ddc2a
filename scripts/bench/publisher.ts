// A process that publishes a workload through the edge's own layers. Its processor time counts as the edge's.
import { ConfigProvider, Effect, Exit, Layer, ManagedRuntime, References } from "effect"
import { PurchasePublisher } from "../../src/edge/PurchasePublisher.ts"
import { QueryClient } from "../../src/query/QueryClient.ts"
import { brokerLayer, edgeLayer } from "../../src/Roles.ts"
import { settings as readSettings } from "../../src/Settings.ts"
import { purchaseAt, userAt, type Workload } from "./Workload.ts"

export type PublisherMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly published: number }
  | {
      readonly kind: "done"
      readonly publishedMilliseconds: number
      readonly appliedMilliseconds: number
      readonly generatingMilliseconds: number
      /** How many purchases all accounts together said to hold when the clock was stopped. */
      readonly counted: number
    }

/** How many purchases one call publishes, and how many wait for their answer at most. */
const callPurchases = 250
const outstandingMax = 8_000
const progressEveryMilliseconds = 500
const readWaitMilliseconds = 300_000

const tell = (message: PublisherMessage) => process.send?.(message)

const settings = Effect.runSync(readSettings.parse(ConfigProvider.fromEnv()))
const runtime = ManagedRuntime.make(
  edgeLayer.pipe(
    Layer.provideMerge(brokerLayer(settings, "benchmark publisher")),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, settings.logLevel))
  )
)

const callAt = (workload: Workload, start: number) =>
  Array.from({ length: Math.min(callPurchases, workload.purchases - start) }, (_, index) =>
    purchaseAt(workload, start + index)
  )

const starts = ({ purchases }: Workload) =>
  Array.from({ length: Math.ceil(purchases / callPurchases) }, (_, call) => call * callPurchases)

/** What making the purchases alone costs; it is a part of the processor time that is measured. */
const generate = (workload: Workload): number => {
  const before = performance.now()
  for (const start of starts(workload)) callAt(workload, start)
  return performance.now() - before
}

const publish = Effect.fnUntraced(function* (workload: Workload) {
  const publisher = yield* PurchasePublisher
  const client = yield* QueryClient
  const generatingMilliseconds = generate(workload)
  yield* Effect.sync(() => tell({ kind: "ready" }))
  yield* Effect.callback<void>((resume) => void process.once("message", () => resume(Effect.void)))

  let published = 0
  const progress = setInterval(() => tell({ kind: "progress", published }), progressEveryMilliseconds)
  const began = performance.now()
  yield* Effect.forEach(
    starts(workload),
    Effect.fnUntraced(function* (start) {
      const results = yield* publisher.publish(callAt(workload, start))
      const failed = results.find(Exit.isFailure)
      if (failed !== undefined) return yield* Effect.failCause(failed.cause)
      published += results.length
    }),
    { concurrency: outstandingMax / callPurchases, discard: true }
  )
  const publishedMilliseconds = performance.now() - began
  const answers = yield* Effect.forEach(
    Array.from({ length: workload.users }, (_, number) => userAt(number)),
    (userId) =>
      client.ask({ kind: "total", userId }, { consistency: "strong", waitMilliseconds: readWaitMilliseconds }),
    { concurrency: "unbounded" }
  )
  const appliedMilliseconds = performance.now() - began
  clearInterval(progress)
  const counted = answers.reduce((sum, answer) => sum + (answer.kind === "total" ? answer.count : 0), 0)
  tell({ kind: "done", publishedMilliseconds, appliedMilliseconds, generatingMilliseconds, counted })
})

// The benchmark ends it by a signal, and a broken channel means that the benchmark is gone.
process.once("SIGTERM", () => process.exit(0))
process.once("disconnect", () => process.exit(1))
process.once("message", (workload: Workload) => {
  runtime.runPromise(publish(workload)).catch((cause) => {
    process.stderr.write(`${cause}\n`)
    process.exit(1)
  })
})
