import { Context, Effect, Layer } from "effect"
import { makeFeed, pageTurns, type StreamFeed } from "../feed/Feed.ts"
import { AlertLog } from "../nats/AlertLog.ts"

/** Passes alerts on to many readers, as soon as a judge has stored them. */
export class AlertFeed extends Context.Service<AlertFeed, StreamFeed>()("purchases/alerts/AlertFeed") {
  static readonly layer = Layer.effect(
    AlertFeed,
    Effect.gen(function* () {
      const log = yield* AlertLog
      const pages = pageTurns()
      return AlertFeed.of(
        yield* makeFeed(
          log,
          (after, userToken) =>
            pages.withPermit(userToken === undefined ? log.page(after) : log.pageOfUser(after, userToken)),
          log.removedThrough
        )
      )
    })
  )
}
