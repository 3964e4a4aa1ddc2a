import { Effect, Layer, Logger } from "effect"
import { runDeliverer } from "../../src/webhook/Deliverer.ts"
import { openTargetRules, TargetRules } from "../../src/webhook/Target.ts"
import { plainView, webhookServices } from "./DelivererRun.ts"

// A process with nothing but a deliverer for all users, for tests that kill it.
await Effect.runPromise(
  Effect.andThen(runDeliverer({ owns: () => true, view: plainView }), Effect.never).pipe(
    Effect.scoped,
    Effect.provide(webhookServices(process.env["NATS_URL"] ?? "")),
    Effect.provide(Layer.merge(Layer.succeed(TargetRules, openTargetRules), Logger.layer([Logger.consoleJson])))
  )
)
