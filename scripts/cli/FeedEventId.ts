import { Schema } from "effect"
import { Flag } from "effect/cli"

/**
 * The id of an event, as the feed prints it. This check only refuses texts that cannot be an id, because the service
 * reads the id.
 */
const FeedEventId = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      /^[0-9]{1,15}(?:\.[0-9]{1,6})?$/.test(text) || "must be an id that the feed has printed, like 0 or 4711.2"
  )
)

/** The flag `--after` of a feed. */
export const feedEventId = Flag.String("after").pipe(
  Flag.withSchema(FeedEventId),
  Flag.withDescription("The id to go on after; 0 is the beginning. Without it the feed begins now"),
  Flag.optional
)
