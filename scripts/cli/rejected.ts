import { Schema } from "effect"
import { Argument, Command } from "effect/cli"
import type { RejectedListed, RejectedKey, RejectedRecord } from "../../src/client/Answers.ts"
import { asking, timeoutSeconds } from "./Asking.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import { membersText, plain, timeText } from "./Output.ts"
import { purchaseOf, replayArguments } from "./PurchaseArguments.ts"
import type { Column } from "./Table.ts"

/** The most characters of a payload in a list. */
const payloadShownMax = 60

const keyPattern = /^([1-9][0-9]{0,14})\/([0-9]{1,4})$/

const record = Argument.String("record").pipe(
  Argument.withSchema(
    Schema.String.check(
      Schema.makeFilter((text: string) => keyPattern.test(text) || "must be a record like 7/0, as the list names them")
    )
  ),
  Argument.withDescription(
    "The record as the list names it: its message of the input log and its index in that, like 7/0"
  )
)

const keyOf = (text: string): RejectedKey => {
  const [, inputSequence, index] = keyPattern.exec(text) ?? []
  return { inputSequence: Number(inputSequence), index: Number(index) }
}

const keyText = ({ inputSequence, index }: RejectedKey): string => `${inputSequence}/${index}`

/** Replaces each line break of a text by a blank. */
const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, " ")

/** Writes one record as a line of the list. */
export const listedText = (one: RejectedListed): string =>
  `${keyText(one).padStart(10)}  ${timeText(one.rejectedAt)}  ${one.replay.padEnd(11)}  ${plain(oneLine(one.reason))}: ${plain(one.payload.slice(0, payloadShownMax))}`

const recordColumns: ReadonlyArray<Column<RejectedListed>> = [
  { name: "record", cell: keyText },
  { name: "rejected at", cell: ({ rejectedAt }) => timeText(rejectedAt) },
  { name: "replay", cell: ({ replay }) => replay },
  { name: "payload", cell: ({ payload }) => oneLine(payload), mayBeCut: true },
  { name: "reason", cell: ({ reason }) => oneLine(reason), mayBeCut: true }
]

const recordText = ({ trail, ...members }: RejectedRecord): string =>
  [
    membersText(members),
    ...trail.map(
      ({ state, at, by, purchase: { purchaseId, userId, quantity, productName, value, total } }) =>
        `${timeText(at)}  ${state.padEnd(11)}  ${plain(purchaseId)} of ${plain(userId)}: ${quantity} × ${plain(productName)} at ${value} = ${total}${by === undefined ? "" : `, by ${plain(by)}`}`
    )
  ].join("\n")

const list = Command.make("list", listFlags, (given) =>
  asking(async (asked) => {
    const records = listed(asked.client.rejected({ signal: asked.signal }), given)
    await printList(asked, records, { line: listedText, columns: recordColumns, empty: "Nothing was rejected." })
  })
).pipe(
  Command.withDescription("The rejected records, newest first, with the state of their replay"),
  Command.withExamples([{ command: "purchases rejected list --limit 5", description: "The newest five" }])
)

const show = Command.make("show", { record }, (given) =>
  asking(async ({ client, signal, print }) => {
    const found = await client.rejectedRecord(keyOf(given.record), { signal })
    print(found, recordText(found))
  })
).pipe(
  Command.withDescription("One record with its whole payload, and the steps of its replay"),
  Command.withExamples([{ command: "purchases rejected show 7/0", description: "Record 7/0 of the list" }])
)

const replay = Command.make("replay", { record, ...replayArguments }, (given) =>
  asking(async ({ client, signal, print }) => {
    const replayed = await client.replayRejected(keyOf(given.record), purchaseOf(given), { signal })
    const sent = replayed.trail.at(-1)?.purchase
    const became =
      replayed.replay === "applied" ? "applied" : "stored; run the command again to see whether it is applied"
    print(replayed, `${given.record} is replayed: ${plain(sent?.purchaseId ?? "")} of ${sent?.total} is ${became}`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription(
    "Send a corrected purchase, once for each record. The same again finishes a replay that broke off"
  ),
  Command.withExamples([
    {
      command: "purchases rejected replay 7/0 ann Lamp 12.50 --quantity 2",
      description: "Under an id that follows from the record"
    },
    { command: "purchases rejected replay 7/0 ann Lamp 12.50 --id order-9", description: "Under an id of your own" }
  ])
)

export const rejected = Command.make("rejected").pipe(
  Command.withDescription("Purchases that could not be applied: list them, show them, and send them corrected"),
  Command.withExamples([{ command: "purchases rejected list", description: "The newest twenty" }]),
  Command.withSubcommands([list, show, replay])
)
