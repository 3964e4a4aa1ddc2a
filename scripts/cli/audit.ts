import { Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { AuditEntry } from "../../src/client/Answers.ts"
import { asking } from "./Asking.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import { plain, timeText } from "./Output.ts"
import type { Column } from "./Table.ts"
import { millisecondsIn } from "./TimeSpan.ts"

const momentPattern = /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})$/

/**
 * Returns the moment that a text names: the text itself, or a time like `24h` before now. Returns `undefined` if the
 * text names no moment.
 */
const momentIn = (text: string): string | undefined => {
  const before = millisecondsIn(text)
  if (before !== undefined) return new Date(Date.now() - before).toISOString()
  return momentPattern.test(text) ? text : undefined
}

/** Writes one record as a line of the list. */
export const auditLine = ({ at, by, name, from = "command line", what, of }: AuditEntry): string =>
  `${timeText(at)}  ${plain(by)} (${plain(name)})  ${plain(from)}  ${plain(what)}  ${plain(of)}`

const auditColumns: ReadonlyArray<Column<AuditEntry>> = [
  { name: "at", cell: ({ at }) => timeText(at) },
  { name: "by", cell: ({ by }) => by },
  { name: "name", cell: ({ name }) => name },
  { name: "from", cell: ({ from = "command line" }) => from },
  { name: "change", cell: ({ what }) => what },
  { name: "of", cell: ({ of }) => of }
]

const log = Command.make(
  "log",
  {
    by: Flag.String("by").pipe(
      Flag.withDescription("Only records of the caller with this id or this name of its token"),
      Flag.optional
    ),
    what: Flag.String("what").pipe(
      Flag.withDescription("Only records of this change, like putRule, replayRejected or revokeToken"),
      Flag.optional
    ),
    since: Flag.String("since").pipe(
      Flag.withSchema(
        Schema.String.check(
          Schema.makeFilter(
            (text: string) =>
              momentIn(text) !== undefined || "must be a time before now like 24h, or 2026-01-31T12:00:00Z"
          )
        )
      ),
      Flag.withDescription("Only records from this time on: a time before now like 24h, or 2026-01-31T12:00:00Z"),
      Flag.optional
    ),
    ...listFlags
  },
  (given) =>
    asking(async (asked) => {
      const since = Option.isSome(given.since) ? momentIn(given.since.value) : undefined
      const options = {
        signal: asked.signal,
        ...(Option.isSome(given.by) ? { by: given.by.value } : {}),
        ...(Option.isSome(given.what) ? { what: given.what.value } : {}),
        ...(since === undefined ? {} : { since })
      }
      const records = listed(asked.client.audit(options), given)
      const empty = "The audit log has no such record."
      await printList(asked, records, { line: auditLine, columns: auditColumns, empty })
    })
).pipe(
  Command.withDescription("Who asked for which change, newest first"),
  Command.withExamples([
    { command: "purchases audit log --since 24h", description: "The newest twenty changes of a day" },
    { command: "purchases --json audit log --by shop --what putRule --all", description: "All as JSON lines" }
  ])
)

export const audit = Command.make("audit").pipe(
  Command.withDescription("The audit log of an edge that asks for tokens"),
  Command.withExamples([{ command: "purchases audit log", description: "The newest twenty changes" }]),
  Command.withSubcommands([log])
)
