import { Effect, Layer } from "effect"
import { Connection } from "../../../src/nats/Connection.ts"
import { QueryTransport } from "../../../src/nats/QueryTransport.ts"

const real = QueryTransport.layer
/** So long that the broker's heap shows it as well as its count. */
const subject = `forgotten.${"x".repeat(3_000)}`

/** A planted leak: each question of an edge leaves a subscription behind. */
const leaking = Layer.effect(
  QueryTransport,
  Effect.gen(function* () {
    const { client } = yield* Connection
    const transport = yield* QueryTransport
    let questions = 0
    return QueryTransport.of({
      ...transport,
      ask: (...question) =>
        Effect.suspend(() => {
          questions += 1
          client.subscribe(`${subject}.${questions}`)
          return transport.ask(...question)
        })
    })
  })
).pipe(Layer.provide(real))

Object.assign(QueryTransport, { layer: leaking })
