import { Effect, Layer } from "effect"
import { Connection } from "../../../nats/client/Connection.ts"
import { inboxPrefixOf } from "../../../nats/client/BrokerRole.ts"
import { QueryTransport } from "../../../nats/QueryTransport.ts"
import { brokerAllowances } from "../Allowances.ts"
import { bytesOfEach, plantLeak } from "./Forgetting.ts"

const real = QueryTransport.layer
const isForgotten = plantLeak("ForgottenSubscriptions")

/**
 * The length of the subjects of forgotten subscriptions, in bytes. The broker keeps the subject of each subscription in
 * memory, and takes lines of at most 4,096 bytes.
 */
const subjectBytes = 3_500
/**
 * The subject is below the inbox of the edge, because the permissions of an edge allow subscriptions to few subjects
 * outside of its inbox.
 */
const subject = `${inboxPrefixOf("edge")}.forgotten.${"x".repeat(subjectBytes)}`
const subscriptionsOfEach = Math.ceil(bytesOfEach(brokerAllowances.heapBytes) / subjectBytes)

/** A planted leak: questions of an edge leave subscriptions behind. */
const leaking = Layer.effect(
  QueryTransport,
  Effect.gen(function* () {
    const { client } = yield* Connection
    const transport = yield* QueryTransport
    let subscriptions = 0
    const forget = () => {
      for (let left = subscriptionsOfEach; left > 0; left -= 1) {
        subscriptions += 1
        client.subscribe(`${subject}.${subscriptions}`)
      }
    }
    return QueryTransport.of({
      ...transport,
      ask: (...question) =>
        Effect.suspend(() => {
          if (isForgotten()) forget()
          return transport.ask(...question)
        })
    })
  })
).pipe(Layer.provide(real))

Object.assign(QueryTransport, { layer: leaking })
