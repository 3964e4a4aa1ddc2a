import { Effect } from "effect"
import type { LedgerInconsistent } from "../ledger/AccountReader.ts"
import type { AlertMessage } from "../nats/AlertStream.ts"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { revisionLinesOf, tokenOfLine } from "../protocol/Commit.ts"
import { readRevision } from "../protocol/RevisionCodec.ts"
import { decodeToken, encodeToken, partitionOf } from "../protocol/Subject.ts"
import { type Alert, encodeAlerts } from "../rules/Alert.ts"
import type { Judgement, PlacedRevision } from "../rules/Judgement.ts"
import type { Outbox } from "./Outbox.ts"
import type { WindowCache } from "./WindowCache.ts"
import type { LoadWindows } from "./WindowLoader.ts"

/** The most revisions that a judge decodes at once. The windows for all decoded revisions are loaded together. */
const revisionsAtOnceMax = 64

/** The objects with which a judge judges one shard. For each run of the shard, the judge makes all objects anew. */
export interface ShardParts {
  readonly shard: number
  readonly shards: number
  readonly judgement: Judgement
  readonly windows: WindowCache
  readonly load: LoadWindows
  readonly outbox: Outbox
  /** Called for each judged revision, with the number of alerts of the revision. */
  readonly counted: (alerts: number) => void
}

/**
 * Returns the alerts of a revision as messages: one message for each purchase and owner. The alerts come ordered by
 * purchase, and then by the number of the rule. The messages of one purchase are thus in the order of the lowest rule
 * number in each message. So every judge writes the messages in the same order.
 */
function* messagesOf(alerts: ReadonlyArray<Alert>): Generator<AlertMessage> {
  for (const ofPurchase of Map.groupBy(alerts, ({ index }) => index).values()) {
    for (const [owner, ofOwner] of Map.groupBy(ofPurchase, (alert) => alert.owner)) {
      yield { ownerToken: encodeToken(owner), text: encodeAlerts(ofOwner) }
    }
  }
}

/**
 * Returns those revisions of a commit whose users are in the shard, and are users whom a rule is about. The revisions
 * are in the order of the lines.
 */
function* revisionsOf(
  commit: string,
  sequence: number,
  { shard, shards, judgement }: ShardParts
): Generator<PlacedRevision> {
  for (const [index, line] of revisionLinesOf(commit).entries()) {
    const userToken = tokenOfLine(line)
    if (shards > 1 && partitionOf(userToken, shards) !== shard) continue
    const userId = decodeToken(userToken)
    if (judgement.looksAt(userId)) yield { sequence, line: index + 1, userId, revision: readRevision(line) }
  }
}

/** Cuts a sequence of values into lists of the given length; the last list may be shorter. */
function* listsOf<A>(all: Iterable<A>, length: number): Generator<ReadonlyArray<A>> {
  let list: Array<A> = []
  for (const one of all) {
    list.push(one)
    if (list.length < length) continue
    yield list
    list = []
  }
  if (list.length > 0) yield list
}

/**
 * Judges the revisions of a commit, and adds the messages with the found alerts to the outbox. Waits while the outbox
 * is full.
 */
export const judgeCommit = Effect.fnUntraced(function* (
  parts: ShardParts,
  commit: string,
  sequence: number
): Effect.fn.Return<void, BrokerFailure | LedgerInconsistent> {
  const { judgement, windows, load, outbox, counted } = parts
  let stored = outbox.begin(sequence)
  if (judgement.size === 0) return
  for (const list of listsOf(revisionsOf(commit, sequence, parts), revisionsAtOnceMax)) {
    const held = list.map((placed) => ({ placed, states: windows.take(placed) }))
    yield* Effect.forEach(
      held.flatMap(({ placed, states }) => {
        const needs = judgement.windowsNeeded(placed)
        return states.has(needs) ? [] : [load(placed, needs, states)]
      }),
      (loading) => loading,
      { concurrency: "unbounded", discard: true }
    )
    for (const { placed, states } of held) {
      const alerts = judgement.judge(placed, states)
      windows.put(placed.userId, states)
      counted(alerts.length)
      for (const message of messagesOf(alerts)) {
        if (stored > 0) stored -= 1
        else {
          yield* outbox.hasRoom.await
          outbox.add(message)
        }
      }
    }
  }
})
