import { Effect, Layer } from "effect"
import { QueryTransport } from "../../../src/nats/QueryTransport.ts"

const real = QueryTransport.layer
const keptBytes = 16 * 1024

/** A planted leak: each question of an edge leaves a buffer behind, which hardly shows in the heap of JavaScript. */
const leaking = Layer.effect(
  QueryTransport,
  Effect.gen(function* () {
    const transport = yield* QueryTransport
    const kept: Array<Buffer> = []
    return QueryTransport.of({
      ...transport,
      ask: (...question) =>
        Effect.suspend(() => {
          kept.push(Buffer.alloc(keptBytes, 1))
          return transport.ask(...question)
        })
    })
  })
).pipe(Layer.provide(real))

Object.assign(QueryTransport, { layer: leaking })
