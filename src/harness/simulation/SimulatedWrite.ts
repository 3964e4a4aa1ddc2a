import { Effect } from "effect"
import { type BrokerFailure, BrokerRefused } from "../../protocol/BrokerError.ts"
import { CommitConflict } from "../../nats/client/ConditionalAppend.ts"
import { ApiFailure, wrongLastSequence } from "./MemoryStream.ts"
import type { Link } from "./Network.ts"

/** Writes over a link. Returns the sequence, or the failure that the real services make of the broker's code. */
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

/** Takes a conflict out of the failures of a write without a condition. */
export const neverConflicts = <A>(written: Effect.Effect<A, BrokerFailure | CommitConflict>) =>
  Effect.catchTag(written, "CommitConflict", (lost) => Effect.die(lost))
