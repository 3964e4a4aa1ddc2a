import { Effect, type Scope } from "effect"
import type { Account } from "../account/Account.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { exactAmount } from "../protocol/ExactJson.ts"
import { currency } from "../account/Money.ts"
import { entryTotal } from "../account/Entry.ts"
import type { LedgerEntry } from "../protocol/Query.ts"
import { encodeToken, partitionOf } from "../protocol/Subject.ts"
import { namedUser } from "../protocol/SubjectUser.ts"
import { forkInScope } from "../runtime/ForkInScope.ts"
import type { LedgerInconsistent } from "../ledger/AccountReader.ts"
import { History } from "../ledger/History.ts"
import { QueryTransport } from "../nats/QueryTransport.ts"
import { type EpochReads, lookStrong } from "../answering/EpochReads.ts"

/**
 * The most purchases that an answer to `nats req ledger.history.<user>` shows. People read longer histories over HTTP.
 */
const purchasesShownMax = 20
/** The most requests of people that an epoch answers at once. Further requests get no answer. */
const requestsAnsweredMax = 16

/** The epoch that answers requests of people about the accounts of a partition. */
export interface InspectedEpoch {
  readonly partition: number
  readonly partitions: number
  readonly worker: string
  readonly epoch: number
}

/** Returns the figures of an account that the nats CLI shows to people. */
const snapshotOf = (account: Account) => ({
  total: account.total,
  count: account.count,
  reversals: account.reversals,
  revision: account.revisionSequence,
  segment: account.segment,
  unsealedRevisions: account.unsealedRevisions,
  decidedThrough: account.decidedThrough
})
type Snapshot = ReturnType<typeof snapshotOf>

const totalBody = (userId: string, { total, count, reversals }: Snapshot) => ({
  userId,
  total: exactAmount(total),
  currency,
  purchaseCount: count - reversals,
  ...(reversals === 0 ? {} : { reversalCount: reversals })
})

const accountBody = (userId: string, snapshot: Snapshot, { partition, worker, epoch }: InspectedEpoch) => ({
  ...totalBody(userId, snapshot),
  partition,
  worker,
  epoch,
  newestCommit: snapshot.revision,
  newestSegment: snapshot.segment,
  unsealedRevisions: snapshot.unsealedRevisions,
  decidedThrough: snapshot.decidedThrough
})

const entryBody = (entry: LedgerEntry) => ({
  number: entry.number,
  purchaseId: entry.purchaseId,
  productName: entry.productName,
  productType: entry.productType,
  value: exactAmount(entry.valueCents),
  quantity: entry.quantity,
  total: exactAmount(entryTotal(entry)),
  runningTotal: exactAmount(entry.totalAfter),
  storedAt: new Date(entry.storedAt).toISOString(),
  commit: entry.ledgerSequence,
  ...(entry.reversal && { reversalId: entry.reversal.reversalId, reason: entry.reversal.reason })
})

const noUser = (token: string): object => ({
  error: `"${token}" is not a user id. Write each byte outside of A-Z a-z 0-9 _ - as =HH.`
})
const noKind = (kind: string): object => ({ error: `"${kind}" is unknown. Ask for account, total or history.` })

/**
 * Answers the requests of people until the caller's scope closes. A person calls `nats req ledger.total.<user> ''`, or
 * the same with `account` or `history` for `total`. Every epoch of every worker gets every request of a person. Only
 * the epoch of the user's partition answers the request, after a strong read.
 */
export const serveInspection = (
  inspected: InspectedEpoch,
  reads: EpochReads
): Effect.Effect<void, never, Scope.Scope | QueryTransport | History> =>
  Effect.gen(function* () {
    const transport = yield* QueryTransport
    const history = yield* History
    const fork = yield* forkInScope()
    let underWay = 0

    const historyBody = Effect.fnUntraced(function* (userId: string, snapshot: Snapshot) {
      const place = { revision: snapshot.revision, taken: 0 }
      const page =
        snapshot.revision === 0 ? undefined : yield* history.page(encodeToken(userId), place, purchasesShownMax)
      return { ...totalBody(userId, snapshot), purchases: (page?.entries ?? []).map(entryBody) }
    })

    const bodyFor = Effect.fnUntraced(function* (
      kind: string,
      userId: string
    ): Effect.fn.Return<object | undefined, BrokerFailure | LedgerInconsistent> {
      const looks = reads.lookAll([{ userToken: encodeToken(userId), look: snapshotOf }])
      const seen = yield* lookStrong(reads, looks)
      if (seen === undefined) return undefined
      const [snapshot] = seen
      if (snapshot === undefined) return { error: "The records of this account cannot be read." }
      if (kind === "total") return totalBody(userId, snapshot)
      return kind === "account" ? accountBody(userId, snapshot, inspected) : yield* historyBody(userId, snapshot)
    })

    const isMine = (token: string): boolean => partitionOf(token, inspected.partitions) === inspected.partition

    yield* transport.serveInspection((kind, token, reply) => {
      const userId = namedUser(token)
      if (!isMine(userId === undefined ? token : encodeToken(userId))) return
      const tell = (body: object) => reply(JSON.stringify(body))
      if (userId === undefined) return tell(noUser(token))
      if (kind !== "account" && kind !== "total" && kind !== "history") return tell(noKind(kind))
      if (underWay >= requestsAnsweredMax) return
      underWay += 1
      const answered = bodyFor(kind, userId).pipe(
        Effect.map((body) => body && tell(body)),
        Effect.catch((failure) => Effect.sync(() => tell({ error: failure.message }))),
        Effect.ensuring(Effect.sync(() => void (underWay -= 1)))
      )
      fork(answered)
    })
  })
