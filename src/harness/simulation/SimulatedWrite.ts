import { Effect } from "effect"
import { type BrokerFailure, BrokerRefused } from "../../protocol/BrokerError.ts"
import { CommitConflict } from "../../nats/client/ConditionalAppend.ts"
import { ApiFailure, wrongLastSequence } from "./MemoryStream.ts"
import type { Link } from "./Network.ts"

/**
 * Writes to a stream over a link. Returns the sequence of the message, or the failure that the real services return for
 * the broker's error code.
 */
export const writeOver = (
  link: Link,
  operation: string,
  write: () => number | ApiFailure
): Effect.Effect<number, BrokerFailure | CommitConflict> =>
  Effect.flatMap(link.ask(operation, write), (stored): Effect.Effect<number, BrokerRefused | CommitConflict> => {
    if (!(stored instanceof ApiFailure)) return Effect.succeed(stored)
    const { code, reason } = stored
    return Effect.fail(
      code === wrongLastSequence ? new CommitConflict({ reason }) : new BrokerRefused({ operation, code, reason })
    )
  })

/** Removes the conflict from the possible failures of a write that has no condition. */
export const neverConflicts = <A>(written: Effect.Effect<A, BrokerFailure | CommitConflict>) =>
  Effect.catchTag(written, "CommitConflict", (lost) => Effect.die(lost))
