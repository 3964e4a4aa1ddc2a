import { Effect, Layer } from "effect"
import { QueryTransport } from "../../../nats/QueryTransport.ts"
import { processAllowances } from "../Allowances.ts"
import { bytesOfEach, plantLeak } from "./Forgetting.ts"

const real = QueryTransport.layer
const keptBytes = bytesOfEach(processAllowances.externalBytes)
const isForgotten = plantLeak("KeptBuffers")

/**
 * A planted leak: questions of an edge leave buffers behind. The memory of these buffers is outside of JavaScript's
 * heap.
 */
const leaking = Layer.effect(
  QueryTransport,
  Effect.gen(function* () {
    const transport = yield* QueryTransport
    const kept: Array<Buffer> = []
    return QueryTransport.of({
      ...transport,
      ask: (...question) =>
        Effect.suspend(() => {
          if (isForgotten()) kept.push(Buffer.alloc(keptBytes, 1))
          return transport.ask(...question)
        })
    })
  })
).pipe(Layer.provide(real))

Object.assign(QueryTransport, { layer: leaking })
