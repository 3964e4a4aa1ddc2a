import { Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Alert, WouldBeAlert } from "../../src/client/Answers.ts"
import { asking, timeoutSeconds } from "./Asking.ts"
import { feedEventId } from "./FeedEventId.ts"
import { listed, listFlags } from "./Listing.ts"
import { plain, timeText } from "./Output.ts"
import { user, userFlag } from "./PurchaseArguments.ts"
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

const feed = Command.make(
  "feed",
  {
    user: userFlag.pipe(
      Flag.withDescription("The user whose alerts are read. Without it the feed has all users"),
      Flag.optional
    ),
    after: feedEventId,
    count: Flag.Int("count").pipe(
      Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
      Flag.withDescription("The number of events after which the command ends"),
      Flag.optional
    )
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const options = {
        signal,
        ...(Option.isSome(given.user) ? { userId: given.user.value } : {}),
        ...(Option.isSome(given.after) ? { after: given.after.value } : {})
      }
      let shown = 0
      for await (const event of client.followAlerts(options)) {
        if (event.kind === "reset") {
          print(event, `at ${event.id}: ${event.detail}`)
          continue
        }
        const { owner, alerts } = event.told
        const lines = alerts.map((alert) => `${event.id.padStart(8)} ${plain(owner).padEnd(16)} ${alertText(alert)}`)
        print(event, lines.join("\n"))
        shown += 1
        if (Option.contains(given.count, shown)) break
      }
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Alerts as they come"),
  Command.withExamples([{ command: "purchases alerts feed --user ann", description: "Until Ctrl-C" }])
)

export const alerts = Command.make("alerts").pipe(
  Command.withDescription("The alerts of users: purchases that met their rules"),
  Command.withExamples([{ command: "purchases alerts list ann", description: "The newest twenty of ann" }]),
  Command.withSubcommands([list, feed])
)
