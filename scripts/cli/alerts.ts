import { Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Alert, WouldBeAlert } from "../../src/client/Answers.ts"
import type { AlertEvent } from "../../src/client/FeedReader.ts"
import { asking } from "./Asking.ts"
import { feedCommand } from "./FeedCommand.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import { plain, timeText } from "./Output.ts"
import { user } from "./PurchaseArguments.ts"
import type { Column } from "./Table.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** Writes the purchase of an alert, and the values that the rule measured of the purchase. */
export const matchText = ({ purchase, measured: { before, after } }: WouldBeAlert): string => {
  const { storedAt, userId, quantity, productName, value, purchaseId } = purchase
  const measured = before === undefined ? after : `${before} → ${after}`
  return `${timeText(storedAt)}  ${plain(userId)}  ${quantity} × ${plain(productName)} at ${value}  ${plain(purchaseId)}  measured ${measured}`
}

const alertText = (alert: Alert): string => `${matchText(alert)}  ${plain(alert.ruleId)}: ${plain(alert.inWords)}`

const alertColumns: ReadonlyArray<Column<Alert>> = [
  { name: "stored at", cell: ({ purchase }) => timeText(purchase.storedAt) },
  { name: "user", cell: ({ purchase }) => purchase.userId },
  { name: "quantity", cell: ({ purchase }) => purchase.quantity, isNumber: true },
  { name: "product", cell: ({ purchase }) => purchase.productName, mayBeCut: true },
  { name: "value", cell: ({ purchase }) => purchase.value, isNumber: true },
  { name: "before", cell: ({ measured }) => measured.before ?? "", isNumber: true },
  { name: "measured", cell: ({ measured }) => measured.after, isNumber: true },
  { name: "rule", cell: ({ ruleId }) => ruleId },
  { name: "purchase", cell: ({ purchase }) => purchase.purchaseId }
]

const list = Command.make(
  "list",
  {
    user,
    ...listFlags,
    through: Flag.Int("through").pipe(
      Flag.withSchema(wholeNumber(0, Number.MAX_SAFE_INTEGER)),
      Flag.withDescription("Wait until purchases up to this ledgerSequence of a receipt are judged"),
      Flag.optional
    )
  },
  (given) =>
    asking(async (asked) => {
      const wait = Option.isSome(given.through) ? { through: given.through.value } : {}
      const found = listed(asked.client.alerts(given.user, { signal: asked.signal, ...wait }), given)
      const empty = `${plain(given.user)} has no alerts.`
      await printList(asked, found, { line: alertText, columns: alertColumns, empty })
    })
).pipe(
  Command.withDescription("The alerts of a user, newest first"),
  Command.withExamples([{ command: "purchases alerts list ann --limit 5", description: "The newest five" }])
)

const feed = feedCommand({
  userText: "The user whose alerts are read. Without it the feed has all users",
  countText: "The number of events after which the command ends",
  follow: (client, options) => client.followAlerts(options),
  shownOf: ({ told }: Extract<AlertEvent, { kind: "alerts" }>) => ({
    userId: told.owner,
    texts: told.alerts.map(alertText)
  })
}).pipe(
  Command.withDescription("Alerts as they come"),
  Command.withExamples([{ command: "purchases alerts feed --user ann", description: "Until Ctrl-C" }])
)

export const alerts = Command.make("alerts").pipe(
  Command.withDescription("The alerts of users: purchases that met their rules"),
  Command.withExamples([{ command: "purchases alerts list ann", description: "The newest twenty of ann" }]),
  Command.withSubcommands([list, feed])
)
