import { Context, Effect, Layer } from "effect"
import type { BrokerRefused, BrokerUnavailable } from "../protocol/BrokerError.ts"
import { behindCommit, type FeedPlace } from "../protocol/FeedPlace.ts"
import { decodeRemovedAlerts } from "../protocol/RemovedAlerts.ts"
import {
  alertFilter,
  alertsRemovedSubject,
  alertsStream,
  alertSubject,
  journalStream,
  rulesFilter
} from "../protocol/Subject.ts"
import { Connection } from "./client/Connection.ts"
import { readMessage, type StoredMessage } from "./client/JetStreamApi.ts"
import { newestFirst } from "./client/NewestFirst.ts"
import { type FeedMessage, type FollowedStream, makeFollowedStream, pageAfter, reading } from "./FollowedStream.ts"

type ReadFailure = BrokerUnavailable | BrokerRefused

/** Returns the alerts of one purchase for one user as a message of a feed. */
const messageOf = ({ subject, sequence, storedAt, text }: StoredMessage): FeedMessage => ({
  userToken: subject.slice(subject.lastIndexOf(".") + 1),
  place: behindCommit(sequence),
  storedAt,
  text
})

const followedAlerts = {
  name: "the alerts",
  stream: alertsStream,
  filter: alertFilter,
  messagesOf: (stored: StoredMessage) => [messageOf(stored)]
}

/** A message with alerts. `reads` counts the reads of the whole visit so far. */
export interface FoundAlerts extends FeedMessage {
  readonly reads: number
}

/** Reads the stored alerts of all users. */
export class AlertLog extends Context.Service<
  AlertLog,
  FollowedStream & {
    /**
     * Returns the next alerts of one user after a place, oldest first; an empty list if the user has no alerts after
     * the place.
     */
    readonly pageOfUser: (after: FeedPlace, userToken: string) => Effect.Effect<ReadonlyArray<FeedMessage>, ReadFailure>
    /**
     * Visits the alerts of a user below a sequence, newest first, until `visit` returns `enough`. Without `below`, the
     * visit begins at the newest alerts. Returns the sequence of the user's oldest alerts; 0 if the user has no alerts.
     */
    readonly newestFirst: (
      userToken: string,
      below: number | undefined,
      visit: (found: FoundAlerts) => "more" | "enough"
    ) => Effect.Effect<number, ReadFailure>
    /**
     * Returns the sequence of the journal at which the first rule of any user was stored; `undefined` if no user ever
     * had a rule.
     */
    readonly firstRule: Effect.Effect<number | undefined, ReadFailure>
    /** Returns the sequence of the newest alert that was removed because of its age; 0 if no alert was removed. */
    readonly removedThrough: Effect.Effect<number, ReadFailure>
  }
>()("purchases/nats/AlertLog") {
  static readonly layer = Layer.effect(
    AlertLog,
    Effect.map(Effect.service(Connection), (connection) => {
      const visitNewest = (
        userToken: string,
        below: number | undefined,
        visit: (found: FoundAlerts) => "more" | "enough"
      ) =>
        Effect.gen(function* () {
          const subject = alertSubject(userToken)
          let reads = 0
          const firstFrom = (sequence: number) => {
            reads += 1
            return readMessage(connection, alertsStream, { seq: sequence, next_by_subj: subject })
          }
          const last = yield* readMessage(connection, alertsStream, { last_by_subj: subject })
          const oldest = yield* firstFrom(1)
          if (last === undefined || oldest === undefined) return 0
          const end = Math.min(below ?? Number.POSITIVE_INFINITY, last.sequence + 1)
          yield* newestFirst(firstFrom, oldest.sequence, end, (found) => visit({ ...messageOf(found), reads }))
          return oldest.sequence
        }).pipe(reading("read the alerts"))

      return AlertLog.of({
        ...makeFollowedStream(connection, followedAlerts),
        pageOfUser: (after, userToken) =>
          pageAfter(connection, { ...followedAlerts, filter: alertSubject(userToken) }, after),
        newestFirst: visitNewest,
        removedThrough: readMessage(connection, alertsStream, { last_by_subj: alertsRemovedSubject }).pipe(
          Effect.map((found) => (found === undefined ? 0 : decodeRemovedAlerts(found.text))),
          reading("read the alerts")
        ),
        firstRule: readMessage(connection, journalStream, { seq: 1, next_by_subj: rulesFilter }).pipe(
          Effect.map((found) => found?.sequence),
          reading("read the rules")
        )
      })
    })
  )
}
