import { Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { DeadLetter, NewWebhook, Webhook, WebhookSendOutcome } from "../../src/client/Answers.ts"
import { asking, timeoutSeconds } from "./Asking.ts"
import { printList } from "./Listing.ts"
import { membersText, plain, timeText } from "./Output.ts"
import { user } from "./PurchaseArguments.ts"
import type { Column } from "./Table.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The longest wait for a delivery: the seconds in which the service says how a delivery ended, and a few more. */
const deliverySeconds = 40
/** The most dead letters that the service keeps of a webhook. */
const deadLettersMax = 1_000
const deadLimitDefault = 20

/** Writes a webhook as lines. The secret of a new webhook is the last line. */
const webhookText = ({ paused, lastAttempt, ...webhook }: Webhook | NewWebhook): string => {
  const { secret, oldSecretUntil, ...members } = webhook as Webhook & Partial<NewWebhook>
  return membersText({
    ...members,
    ...(paused === undefined ? {} : { pausedAt: paused.at, pausedBecause: paused.reason }),
    ...(lastAttempt === undefined ? {} : { lastAttemptAt: lastAttempt.at }),
    ...(lastAttempt?.status === undefined ? {} : { lastStatus: lastAttempt.status }),
    ...(oldSecretUntil === undefined ? {} : { oldSecretUntil: timeText(oldSecretUntil) }),
    ...(secret === undefined ? {} : { secret })
  })
}

const deadText = ({ id, at, reason, answer }: DeadLetter): string =>
  `${String(id).padStart(8)}  ${timeText(at)}  ${plain(reason)}${answer === "" ? "" : ` ${plain(answer.replaceAll(/\s+/g, " ").slice(0, 60))}`}`

const deadColumns: ReadonlyArray<Column<DeadLetter>> = [
  { name: "letter", cell: ({ id }) => id, isNumber: true },
  { name: "refused at", cell: ({ at }) => timeText(at) },
  { name: "reason", cell: ({ reason }) => reason },
  { name: "answer", cell: ({ answer }) => answer.replaceAll(/\s+/g, " "), mayBeCut: true }
]

/** Prints how a delivery ended. Fails if the delivery did not succeed, so that the command ends with 1. */
const printOutcome = (print: (value: unknown, text: string) => void, outcome: WebhookSendOutcome): void => {
  const { delivered, status, reason = "", answer } = outcome
  if (delivered) return print(outcome, `delivered, with the status ${status}`)
  print(outcome, answer === "" ? "not delivered" : `not delivered; the answer begins with: ${plain(answer)}`)
  throw new Error(reason)
}

const show = Command.make("show", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const found = await client.webhook(given.user, { signal })
    print(found, webhookText(found))
  })
).pipe(
  Command.withDescription("The webhook of a user, and how its deliveries are"),
  Command.withExamples([{ command: "purchases webhook show ann", description: "Without its secret" }])
)

const set = Command.make(
  "set",
  {
    user,
    url: Argument.String("url").pipe(
      Argument.withDescription("The URL; it may be left out if the user has a webhook"),
      Argument.optional
    ),
    off: Flag.Boolean("off").pipe(Flag.withDescription("Deliver nothing for now"), Flag.withDefault(false))
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const url = Option.isSome(given.url) ? { url: given.url.value } : {}
      const webhook = await client.setWebhook(given.user, { ...url, enabled: !given.off }, { signal })
      print(webhook, webhookText(webhook))
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Set the webhook of a user. Deliveries go on where they stopped"),
  Command.withExamples([
    {
      command: "purchases webhook set ann https://example.org/alerts",
      description: "A new webhook: its secret is shown once"
    },
    { command: "purchases webhook set ann --off", description: "No deliveries for now" }
  ])
)

const resume = Command.make("resume", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const webhook = await client.setWebhook(given.user, { resume: "now" }, { signal })
    print(webhook, webhookText(webhook))
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Go on with alerts from now on, and skip those that are not delivered"),
  Command.withExamples([
    { command: "purchases webhook resume ann", description: "`webhook set ann` goes on without skipping" }
  ])
)

const remove = Command.make("remove", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    await client.removeWebhook(given.user, { signal })
    print({ userId: given.user, removed: true }, `the webhook of ${plain(given.user)} is removed`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Remove the webhook of a user, with its secrets and dead letters"),
  Command.withExamples([{ command: "purchases webhook remove ann", description: "Nothing is delivered any more" }])
)

const roll = Command.make("roll", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const rolled = await client.rollWebhookSecret(given.user, { signal })
    print(rolled, `${rolled.secret}\nThe old secret signs too until ${timeText(rolled.oldSecretUntil)}.`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Make a new secret, which is shown once. The old one signs too for 24 hours"),
  Command.withExamples([{ command: "purchases webhook roll ann", description: "A new secret for ann's webhook" }])
)

const dead = Command.make(
  "dead",
  {
    user,
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(wholeNumber(1, deadLettersMax)),
      Flag.withDescription(`The most dead letters, by default ${deadLimitDefault}`),
      Flag.withDefault(deadLimitDefault)
    )
  },
  (given) =>
    asking(async (asked) => {
      const { dead: letters } = await asked.client.deadLetters(given.user, { limit: given.limit, signal: asked.signal })
      const empty = `${plain(given.user)} has no dead letters.`
      await printList(asked, letters, { line: deadText, columns: deadColumns, empty })
    })
).pipe(
  Command.withDescription("The alerts that the webhook of a user refused, newest first"),
  Command.withExamples([{ command: "purchases webhook dead ann", description: "The newest twenty" }])
)

const again = Command.make(
  "again",
  {
    user,
    letter: Argument.Int("letter").pipe(
      Argument.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
      Argument.withDescription("The dead letter as the list names it")
    )
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const outcome = await client.sendDeadLetterAgain(given.user, given.letter, { signal })
      printOutcome(print, outcome)
    }, deliverySeconds)
).pipe(
  Command.withDescription("Deliver a dead letter once more, at once"),
  Command.withExamples([{ command: "purchases webhook again ann 4711", description: "Dead letter 4711 of the list" }])
)

const test = Command.make("test", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const outcome = await client.testWebhook(given.user, { signal })
    printOutcome(print, outcome)
  }, deliverySeconds)
).pipe(
  Command.withDescription("Make one signed delivery without an alert, at once"),
  Command.withExamples([{ command: "purchases webhook test ann", description: "Says how the delivery ended" }])
)

export const webhook = Command.make("webhook").pipe(
  Command.withDescription("The URL to which the alerts of a user are delivered"),
  Command.withExamples([{ command: "purchases webhook show ann", description: "How the deliveries are" }]),
  Command.withSubcommands([show, set, remove, roll, resume, dead, again, test])
)
