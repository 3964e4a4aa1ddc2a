import { Context, Duration, Effect, Layer, type Scope } from "effect"
import type { BrokerUnavailable, OutcomeUnknown } from "../protocol/BrokerError.ts"
import { decodeToken, sendFilter, sendSubject } from "../protocol/Subject.ts"
import {
  decodeSendReply,
  decodeSendRequest,
  encodeSendReply,
  encodeSendRequest,
  type SendReply,
  type SendRequest
} from "../protocol/WebhookSend.ts"
import { Connection } from "./client/Connection.ts"

/**
 * The time within which a judge must answer a request for one delivery. The time `replyTimeout` is enough for an
 * attempt in flight, the requested attempt, and the messages between edge and judge.
 */
const replyTimeout = Duration.seconds(35)

/**
 * Asks the judge that delivers to a user's webhook to make one delivery without waiting. No stream stores the request
 * and the answer.
 */
export class SendTransport extends Context.Service<
  SendTransport,
  {
    readonly ask: (
      ownerToken: string,
      request: SendRequest
    ) => Effect.Effect<SendReply, BrokerUnavailable | OutcomeUnknown>
    /**
     * Calls `handle` with each request for a delivery, until the scope closes. Every judge gets every request, and only
     * the judge that delivers to the webhook sends an answer.
     */
    readonly serve: (
      handle: (ownerToken: string, request: SendRequest, reply: (reply: SendReply) => void) => void
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>()("purchases/nats/SendTransport") {
  static readonly layer = Layer.effect(
    SendTransport,
    Effect.gen(function* () {
      const connection = yield* Connection
      return SendTransport.of({
        ask: (ownerToken, request) =>
          connection
            .request({
              operation: "ask for a delivery to the webhook",
              subject: sendSubject(ownerToken),
              payload: encodeSendRequest(request),
              timeoutMilliseconds: Duration.toMillis(replyTimeout)
            })
            .pipe(Effect.map((message) => decodeSendReply(message.string()))),
        serve: (handle) =>
          Effect.acquireRelease(
            Effect.sync(() =>
              connection.client.subscribe(sendFilter, {
                callback: (error, message) => {
                  if (error !== null) return
                  const ownerToken = message.subject.slice(sendSubject("").length)
                  // A program with access to the broker can send a user token that is malformed.
                  try {
                    decodeToken(ownerToken)
                    const request = decodeSendRequest(message.string())
                    handle(ownerToken, request, (reply) => void message.respond(encodeSendReply(reply)))
                  } catch {
                    message.respond("")
                  }
                }
              })
            ),
            (subscription) => Effect.sync(() => subscription.unsubscribe())
          ).pipe(Effect.asVoid)
      })
    })
  )
}
