import { once } from "node:events"
import { Command, Flag } from "effect/cli"
import { asking } from "./Asking.ts"
import { filterOf, historyFlags } from "./HistoryFlags.ts"
import { user } from "./PurchaseArguments.ts"
import { Unfinished } from "./Unfinished.ts"

const notWhole = "The export is not complete. Do not use what was printed; run the command again."

/** Writes bytes to stdout, and waits until the reader of stdout takes more. */
const written = async (bytes: Uint8Array): Promise<void> => {
  if (!process.stdout.write(bytes)) await once(process.stdout, "drain")
}

const { oldest: _oldest, ...chosen } = historyFlags

export const exportCommand = Command.make(
  "export",
  {
    user,
    format: Flag.Literals("format", ["csv", "ndjson"]).pipe(
      Flag.withDescription("The format of the file, csv by default"),
      Flag.withDefault("csv" as const)
    ),
    ...chosen,
    newest: Flag.Boolean("newest").pipe(Flag.withDescription("Print the newest entries first"), Flag.withDefault(false))
  },
  (given) =>
    asking(async ({ client, signal }) => {
      const filter = {
        ...filterOf({ ...given, oldest: false }),
        order: given.newest ? ("newest" as const) : ("oldest" as const)
      }
      let isBegun = false
      try {
        for await (const bytes of client.exportHistory(given.user, { ...filter, format: given.format, signal })) {
          isBegun = true
          await written(bytes)
        }
      } catch (cause) {
        throw isBegun ? new Unfinished(notWhole, { cause }) : cause
      }
    })
).pipe(
  Command.withDescription("The purchases and reversals of a user as a file on stdout, oldest first"),
  Command.withExamples([
    { command: "purchases export ann > ann.csv", description: "The whole history for a spreadsheet" },
    { command: "purchases export ann --format ndjson --from 2026-11-01T00:00:00Z", description: "One JSON line each" }
  ])
)
