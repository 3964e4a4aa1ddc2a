import { Effect, type Scope } from "effect"
import { decodeNoticeAddress, type NoticeAddress, noticesOf, refusalNoticesOf } from "../protocol/AppliedNotice.ts"
import type { Refusal } from "../account/Account.ts"
import type { Rejection } from "../protocol/Rejection.ts"
import type { Revision } from "../account/Revision.ts"
import { rejectedKey } from "../protocol/Subject.ts"
import type { InputMessage } from "../ledger/InputProgress.ts"
import { WorkCounters } from "../metrics/WorkCounters.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import { NoticeSender } from "./NoticeSender.ts"

/** A message of the input log, with the address for its notices; `undefined` if no edge waits for its notices. */
interface Addressed {
  readonly noticeTo: string | undefined
}

/** Returns the notice addresses of messages, by input sequence; `undefined` if no message has a notice address. */
const addressesOf = (messages: ReadonlyArray<InputMessage<Addressed>>): Map<number, NoticeAddress> | undefined => {
  let addresses: Map<number, NoticeAddress> | undefined
  for (const { sequence, tag } of messages) {
    const address = tag.noticeTo === undefined ? undefined : decodeNoticeAddress(tag.noticeTo)
    if (address !== undefined) (addresses ??= new Map()).set(sequence, address)
  }
  return addresses
}

/** The reports that the actors of a partition make. */
export interface AccountReports {
  /**
   * Counts a revision, and keeps the notices of the revision for the next flush. `messages` has the messages with the
   * purchases of the revision.
   */
  readonly applied: (revision: Revision, messages: ReadonlyArray<InputMessage<Addressed>>) => void
  /** Logs a purchase that came again with another content. */
  readonly conflict: (rejection: Rejection) => void
  /** Counts and logs refused reversals, and keeps the notices of these reversals for the next flush. */
  readonly reversalsRefused: (
    refusals: ReadonlyArray<Refusal>,
    rejections: ReadonlyArray<Rejection>,
    messages: ReadonlyArray<InputMessage<Addressed>>
  ) => void
  /** Reports an account that the worker cannot read. The report ends when the caller's scope closes. */
  readonly unreadable: (userToken: string, problem: string) => void
  /** Counts and logs purchases that are rejected because the worker cannot read their account. */
  readonly refused: (rejections: ReadonlyArray<Rejection>) => void
}

/** Reports the commits of a partition to counters, to the log, and to the edges that wait for notices. */
export interface CommitReports {
  readonly accounts: AccountReports
  /** Counts and logs the malformed parts of a message, which are rejected. */
  readonly refused: (rejections: ReadonlyArray<Rejection>) => void
}

/** Makes the reports of one partition. */
export const makeCommitReports = (
  partition: number
): Effect.Effect<CommitReports, never, NoticeSender | Scope.Scope | WorkCounters> =>
  Effect.gen(function* () {
    const notices = yield* NoticeSender
    const counters = yield* WorkCounters
    const fork = yield* forkInScope()
    yield* Effect.addFinalizer(() => Effect.sync(() => counters.accountsEnded(partition)))

    const log = ({ inputSequence, index, reason }: Rejection) => {
      const record = rejectedKey(inputSequence, index)
      fork(Effect.logWarning("rejected a purchase").pipe(Effect.annotateLogs({ partition, record, reason })))
    }

    const accounts: AccountReports = {
      applied: (revision, messages) => {
        counters.revisionApplied(revision)
        const addresses = addressesOf(messages)
        if (addresses === undefined) return
        for (const { edge, notice } of noticesOf(revision, addresses)) notices.add(edge, notice)
      },
      conflict: log,
      reversalsRefused: (refusals, rejections, messages) => {
        counters.reversalsRefused(refusals.length)
        for (const rejection of rejections) log(rejection)
        const addresses = addressesOf(messages)
        if (addresses === undefined) return
        for (const { edge, notice } of refusalNoticesOf(refusals, addresses)) notices.add(edge, notice)
      },
      unreadable: (userToken, problem) => {
        counters.accountStopped(partition, userToken, problem)
        const annotations = { partition, account: userToken, problem }
        fork(Effect.logError("stopped an account that cannot be read").pipe(Effect.annotateLogs(annotations)))
      },
      refused: (rejections) => {
        counters.stoppedRejected(rejections.length)
        for (const rejection of rejections) log(rejection)
      }
    }
    return {
      accounts,
      refused: (rejections) => {
        counters.unreadableRejected(rejections.length)
        for (const rejection of rejections) log(rejection)
      }
    }
  })
