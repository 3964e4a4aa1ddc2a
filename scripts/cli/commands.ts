import { randomUUID } from "node:crypto"
import { Command, Flag } from "effect/cli"
import { ClientFailure } from "../../src/client/Failure.ts"
import type { AskedAccount, HistoryEntry, ReceiptReversal } from "../../src/client/Answers.ts"
import type { FeedEvent } from "../../src/client/FeedReader.ts"
import { asking, root, timeoutSeconds } from "./Asking.ts"
import { alerts } from "./alerts.ts"
import { audit } from "./audit.ts"
import { exportCommand } from "./export.ts"
import { feedCommand } from "./FeedCommand.ts"
import { generate } from "./generate.ts"
import { filterOf, historyFlags } from "./HistoryFlags.ts"
import { importing } from "./import.ts"
import { Interrupted } from "./Interruption.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import {
  commandText,
  entryId,
  entryLine,
  plain,
  receiptText,
  reversalLine,
  reversalReceiptText,
  shellWord,
  timeText
} from "./Output.ts"
import {
  entryArgument,
  purchase,
  purchaseArguments,
  purchaseOf,
  reversalArguments,
  reversalOf,
  user
} from "./PurchaseArguments.ts"
import { rejected } from "./rejected.ts"
import { rules } from "./rules.ts"
import { status } from "./status.ts"
import { tokens } from "./tokens.ts"
import type { Column } from "./Table.ts"
import { users } from "./users.ts"
import { webhook } from "./webhook.ts"
import { Unfinished } from "./Unfinished.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The longest `--wait`, in seconds. */
const waitSecondsMax = 30

/** Returns whether no purchase was ever applied to an account. */
const isUnknown = ({ known, purchaseCount }: { readonly known?: boolean; readonly purchaseCount: number }): boolean =>
  known === false || purchaseCount === 0

const numbered = (count: number, noun: string): string => (count === 1 ? `1 ${noun}` : `${count} ${noun}s`)

const countText = ({ purchaseCount, reversalCount }: AskedAccount): string =>
  numbered(purchaseCount, "purchase") + (reversalCount > 0 ? ` and ${numbered(reversalCount, "reversal")}` : "")

const neverSeen = (userId: string): string =>
  `${plain(userId)} was never seen: no purchase of this user was ever applied.`

const total = Command.make("total", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const account = await client.total(given.user, { signal })
    const { total, currency } = account
    print(account, isUnknown(account) ? neverSeen(given.user) : `${total} ${currency} in ${countText(account)}`)
  })
).pipe(
  Command.withDescription("The total of a user, exact and current"),
  Command.withExamples([{ command: "purchases total ann", description: "The sum of all that ann has bought" }])
)

const entryColumns: ReadonlyArray<Column<HistoryEntry>> = [
  { name: "number", cell: ({ number }) => number, isNumber: true },
  { name: "stored at", cell: ({ storedAt }) => timeText(storedAt) },
  { name: "quantity", cell: ({ quantity }) => quantity, isNumber: true },
  { name: "product", cell: ({ productName }) => productName, mayBeCut: true },
  { name: "value", cell: ({ value }) => value, isNumber: true },
  { name: "total", cell: ({ total, amount = total }) => amount, isNumber: true },
  { name: "running total", cell: ({ runningTotal }) => runningTotal, isNumber: true },
  { name: "purchase", cell: entryId }
]

const history = Command.make("history", { user, ...historyFlags, ...listFlags }, (given) =>
  asking(async (asked) => {
    const filter = filterOf(given)
    const isWhole = Object.keys(filter).length === 0
    const entries = listed(asked.client.history(given.user, { ...filter, signal: asked.signal }), given)
    const empty = isWhole ? neverSeen(given.user) : `No purchase of ${plain(given.user)} fits.`
    await printList(asked, entries, { line: entryLine, columns: entryColumns, empty })
  })
).pipe(
  Command.withDescription("The purchases and reversals of a user, newest first, all or those that fit the flags"),
  Command.withExamples([
    { command: "purchases history ann --limit 5", description: "The newest five" },
    {
      command: "purchases history ann --from 2026-11-01T00:00:00Z --type Office --all",
      description: "All office purchases since 1 November"
    }
  ])
)

const receiptFlags = {
  reversal: Flag.Boolean("reversal").pipe(
    Flag.withDescription("The id is the id of a reversal, and not of a purchase"),
    Flag.withDefault(false)
  )
}

const receipt = Command.make("receipt", { user, entry: entryArgument, ...receiptFlags }, (given) =>
  asking(async ({ client, signal, print, note, urlWords }) => {
    if (given.reversal) {
      const found = await client.reversalReceipt(given.user, given.entry, { signal })
      return print(found, reversalReceiptText(found))
    }
    const found = await client.receipt(given.user, given.entry, { signal })
    print(found, receiptText(found))
    if (found.nextReversals === undefined) return
    note(`All reversals: ${commandText([...urlWords, "reversals", "--all", "--", given.user, given.entry])}`)
  })
).pipe(
  Command.withDescription("The receipt of a purchase that was applied, with its reversals, or of one reversal"),
  Command.withExamples([
    { command: "purchases receipt ann order-1", description: "When it was applied, and how often it came again" },
    { command: "purchases receipt ann return-1 --reversal", description: "When the reversal was applied, and why" }
  ])
)

const reversalColumns: ReadonlyArray<Column<ReceiptReversal>> = [
  { name: "stored at", cell: ({ storedAt }) => timeText(storedAt) },
  { name: "quantity", cell: ({ quantity }) => quantity, isNumber: true },
  { name: "amount", cell: ({ amount }) => amount, isNumber: true },
  { name: "reversal", cell: ({ reversalId }) => reversalId },
  { name: "reason", cell: ({ reason }) => reason, mayBeCut: true }
]

const reversals = Command.make("reversals", { user, purchase, ...listFlags }, (given) =>
  asking(async (asked) => {
    const all = listed(asked.client.reversals(given.user, given.purchase, { signal: asked.signal }), given)
    const empty = `Purchase ${plain(given.purchase)} of ${plain(given.user)} has no reversal.`
    await printList(asked, all, { line: reversalLine, columns: reversalColumns, empty })
  })
).pipe(
  Command.withDescription("The reversals of a purchase, newest first"),
  Command.withExamples([{ command: "purchases reversals ann order-1 --all", description: "All of them" }])
)

/** Returns whether a purchase or a reversal may be stored although its post failed with this cause. */
const isOpen = (cause: unknown): boolean =>
  cause instanceof Interrupted ||
  (cause instanceof ClientFailure && cause.unanswered.length + cause.unansweredReversals.length > 0)

const howToRepeat = (id: string): string =>
  `Send it again with --id ${shellWord(id)}: it counts once, also if it is stored already.`

const wait = Flag.Int("wait").pipe(
  Flag.withSchema(wholeNumber(0, waitSecondsMax)),
  Flag.withDescription(
    `Seconds to wait until it is applied, at most ${waitSecondsMax}. By default the command does not wait`
  ),
  Flag.withDefault(0)
)

const post = Command.make("post", { ...purchaseArguments, wait }, (given) =>
  asking(async ({ client, signal, print }) => {
    const purchase = { purchaseId: randomUUID(), ...purchaseOf(given) }
    const posted = await client.post(purchase, { waitSeconds: given.wait, signal }).catch((cause: unknown) => {
      throw isOpen(cause) ? new Unfinished(howToRepeat(purchase.purchaseId), { cause }) : cause
    })
    const became = posted.status === "applied" ? `applied; the total is ${posted.runningTotal}` : "stored"
    print(posted, `${plain(posted.purchaseId)} of ${posted.total} is ${became}`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Store a purchase, to be applied exactly once"),
  Command.withExamples([
    { command: "purchases post ann Lamp 12.50 --id order-1 --wait 5", description: "Sending it again counts once" }
  ])
)

const byNumber = (one: HistoryEntry, other: HistoryEntry): number => one.number - other.number

const reverse = Command.make("reverse", { ...reversalArguments, wait }, (given) =>
  asking(async ({ client, signal, print }) => {
    const reversal = { reversalId: randomUUID(), ...reversalOf(given) }
    const posted = await client.reverse(reversal, { waitSeconds: given.wait, signal }).catch((cause: unknown) => {
      throw isOpen(cause) ? new Unfinished(howToRepeat(reversal.reversalId), { cause }) : cause
    })
    const became =
      posted.status === "applied"
        ? `applied: ${posted.quantity} × ${plain(posted.productName)} for ${posted.amount}; the total is ${posted.runningTotal}`
        : "stored"
    print(posted, `${plain(posted.reversalId)} of ${plain(posted.purchaseId)} is ${became}`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Take back pieces of an applied purchase"),
  Command.withExamples([
    {
      command: "purchases reverse ann order-1 --quantity 1 --reason broken --id return-1 --wait 5",
      description: "Sending it again counts once"
    },
    { command: "purchases reverse ann order-1 --reason 'never arrived'", description: "All pieces that are left" }
  ])
)

const feed = feedCommand({
  userText: "The user whose feed is read. Without it the feed has all users",
  countText: "The number of commits after which the command ends",
  follow: (client, options) => client.feed(options),
  shownOf: ({ applied }: Extract<FeedEvent, { kind: "applied" }>) => ({
    userId: applied.userId,
    texts: [...applied.purchases, ...(applied.reversals ?? [])].sort(byNumber).map(entryLine)
  })
}).pipe(
  Command.withDescription("Purchases and reversals as they are applied"),
  Command.withExamples([{ command: "purchases feed --user ann", description: "Until Ctrl-C" }])
)

export const purchases = root.pipe(
  Command.withSubcommands([
    post,
    reverse,
    total,
    history,
    exportCommand,
    users,
    receipt,
    reversals,
    generate,
    importing,
    feed,
    rules,
    alerts,
    webhook,
    rejected,
    status,
    audit,
    tokens
  ])
)
