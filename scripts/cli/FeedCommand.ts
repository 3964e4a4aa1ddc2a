import { Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { FeedOptions } from "../../src/client/FeedReader.ts"
import type { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { asking, timeoutSeconds } from "./Asking.ts"
import { feedEventId } from "./FeedEventId.ts"
import { plain } from "./Output.ts"
import { userFlag } from "./PurchaseArguments.ts"
import { wholeNumber } from "./WholeNumber.ts"

interface ResetEvent {
  readonly kind: "reset"
  readonly id: string
  readonly detail: string
}

/** An event with news, in a feed of purchases or of alerts. */
interface NewsEvent {
  readonly kind: "applied" | "alerts"
  readonly id: string
}

interface FeedKind<News extends NewsEvent> {
  /** The descriptions of the flags. */
  readonly userText: string
  readonly countText: string
  readonly follow: (client: PurchaseClient, options: FeedOptions) => AsyncIterable<News | ResetEvent>
  /** Returns the user of an event, and the text of each of its lines. */
  readonly shownOf: (event: News) => { readonly userId: string; readonly texts: ReadonlyArray<string> }
}

/** Makes a command `feed`, which prints events as they come. */
export const feedCommand = <News extends NewsEvent>({ userText, countText, follow, shownOf }: FeedKind<News>) =>
  Command.make(
    "feed",
    {
      user: userFlag.pipe(Flag.withDescription(userText), Flag.optional),
      after: feedEventId,
      count: Flag.Int("count").pipe(
        Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
        Flag.withDescription(countText),
        Flag.optional
      )
    },
    (given) =>
      asking(async ({ client, signal, print, progress }) => {
        // A feed that waits for the next event does no work.
        progress.stop()
        const options = {
          signal,
          ...(Option.isSome(given.user) ? { userId: given.user.value } : {}),
          ...(Option.isSome(given.after) ? { after: given.after.value } : {})
        }
        let shown = 0
        for await (const event of follow(client, options)) {
          if (event.kind === "reset") {
            print(event, `at ${event.id}: ${event.detail}`)
            continue
          }
          const { userId, texts } = shownOf(event)
          const lines = texts.map((text) => `${event.id.padStart(8)} ${plain(userId).padEnd(16)} ${text}`)
          if (lines.length > 0) print(event, lines.join("\n"))
          shown += 1
          if (Option.contains(given.count, shown)) break
        }
      }, timeoutSeconds.writesAndFeeds)
  )
