import { Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Alert, WouldBeAlert } from "../../src/client/Answers.ts"
import type { AlertEvent } from "../../src/client/FeedReader.ts"
import { asking } from "./Asking.ts"
import { feedCommand } from "./FeedCommand.ts"
import { listed, listFlags } from "./Listing.ts"
import { plain, timeText } from "./Output.ts"
import { user } from "./PurchaseArguments.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** Writes the purchase of an alert, and what the rule measured of it. */
export const matchText = ({ purchase, measured: { before, after } }: WouldBeAlert): string => {
  const { storedAt, userId, quantity, productName, value, purchaseId } = purchase
  const measured = before === undefined ? after : `${before} → ${after}`
  return `${timeText(storedAt)}  ${plain(userId)}  ${quantity} × ${plain(productName)} at ${value}  ${plain(purchaseId)}  measured ${measured}`
}

const alertText = (alert: Alert): string => `${matchText(alert)}  ${plain(alert.ruleId)}: ${plain(alert.inWords)}`

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
    asking(async ({ client, signal, print, note }) => {
      const wait = Option.isSome(given.through) ? { through: given.through.value } : {}
      let isEmpty = true
      for await (const alert of listed(client.alerts(given.user, { signal, ...wait }), given)) {
        isEmpty = false
        print(alert, alertText(alert))
      }
      if (isEmpty) note(`${plain(given.user)} has no alerts.`)
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
