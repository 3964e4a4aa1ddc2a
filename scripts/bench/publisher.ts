// A process that publishes workloads through the layers of an edge, without HTTP. The processor time of this process
// counts as the edge's.
import { ConfigProvider, Effect, Exit, Layer, ManagedRuntime, References } from "effect"
import { PurchasePublisher } from "../../src/intake/PurchasePublisher.ts"
import { brokerLayer, edgeLayer } from "../../src/Layers.ts"
import { settings as readSettings } from "../../src/Settings.ts"
import { callPurchases, outstandingMax, type PublishOrder } from "./PublishOrder.ts"
import { purchaseAt } from "./Workload.ts"

export type PublisherMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "progress"; readonly published: number }
  | { readonly kind: "published" }

const progressEveryMilliseconds = 500

const tell = (message: PublisherMessage) => process.send?.(message)

const settings = Effect.runSync(readSettings.parse(ConfigProvider.fromEnv()))
const runtime = ManagedRuntime.make(
  edgeLayer(settings).pipe(
    Layer.provideMerge(brokerLayer(settings, "edge", "benchmark publisher")),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, settings.logLevel))
  )
)

const publish = Effect.fnUntraced(function* ({ workload, from, to, storeEveryCopy = false }: PublishOrder) {
  const publisher = yield* PurchasePublisher
  let published = 0
  const progress = setInterval(() => tell({ kind: "progress", published }), progressEveryMilliseconds)
  const starts = Array.from(
    { length: Math.ceil((to - from) / callPurchases) },
    (_, call) => from + call * callPurchases
  )
  yield* Effect.forEach(
    starts,
    Effect.fnUntraced(function* (start) {
      const length = Math.min(callPurchases, to - start)
      const purchases = Array.from({ length }, (_, index) => purchaseAt(workload, start + index))
      const results = yield* publisher.publish(purchases, { storeEveryCopy })
      const failed = results.find(Exit.isFailure)
      if (failed !== undefined) return yield* Effect.failCause(failed.cause)
      published += results.length
    }),
    { concurrency: outstandingMax / callPurchases, discard: true }
  )
  clearInterval(progress)
  tell({ kind: "published" })
})

const orEnd = (step: Promise<unknown>) =>
  step.catch((cause) => {
    process.stderr.write(`${cause}\n`)
    process.exit(1)
  })

// The benchmark ends this process by a signal. A broken channel means that the benchmark is gone.
process.once("SIGTERM", () => process.exit(0))
process.once("disconnect", () => process.exit(1))
process.on("message", (order: PublishOrder) => void orEnd(runtime.runPromise(publish(order))))
await orEnd(runtime.runPromise(Effect.service(PurchasePublisher)))
tell({ kind: "ready" })
