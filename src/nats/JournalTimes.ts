import { Context, Effect, Layer } from "effect"
import type { BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { commitFilter, journalStream } from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage } from "./client/JetStreamApi.ts"
import { reading } from "./FollowedStream.ts"

/**
 * Finds commits of the journal by the time at which the broker stored the commits. The times of commits rise with their
 * sequences.
 */
export class JournalTimes extends Context.Service<
  JournalTimes,
  {
    /**
     * Returns the least sequence of the journal from which on every commit was stored at or after `moment`. All commits
     * before the returned sequence were stored earlier than `moment`. `moment` is in milliseconds since 1970.
     */
    readonly sequenceSince: (moment: number) => Effect.Effect<number, BrokerUnavailable | BrokerRefused>
  }
>()("purchases/nats/JournalTimes") {
  static readonly layer = Layer.effect(
    JournalTimes,
    Effect.map(Effect.service(Connection), (connection) => {
      const sequenceSince = (moment: number) =>
        Effect.gen(function* () {
          const last = yield* readMessage(connection, journalStream, { last_by_subj: commitFilter })
          let low = 1
          let high = (last?.sequence ?? 0) + 1
          while (low < high) {
            const middle = Math.floor((low + high) / 2)
            const found = yield* readMessage(connection, journalStream, { seq: middle, next_by_subj: commitFilter })
            if (found !== undefined && found.storedAt < moment) low = found.sequence + 1
            else high = middle
          }
          return low
        }).pipe(reading("read the journal"))

      return JournalTimes.of({ sequenceSince })
    })
  )
}
