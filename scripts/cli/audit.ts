import { Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Finding } from "../../src/audit/AuditFindings.ts"
import type { AuditReport } from "../../src/audit/LedgerAudit.ts"
import type { AuditEntry } from "../../src/client/Answers.ts"
import { asking, root } from "./Asking.ts"
import { exitCode } from "./ExitCode.ts"
import { runLedgerAudit } from "./LedgerAuditRun.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import { counted, plain, timeText } from "./Output.ts"
import type { Column } from "./Table.ts"
import { millisecondsIn } from "./TimeSpan.ts"
import { wholeNumber } from "./WholeNumber.ts"

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

const mebibyte = 1024 * 1024
const memoryDefault = 512
const memoryMax = 1_048_576

const findingText = ({ place, problem }: Finding): string => plain(`${place}: ${problem}`)

const summaryText = (report: AuditReport, seconds: string): string =>
  `${counted(report.purchases)} purchases and ${counted(report.reversals)} reversals of ${counted(report.accounts)} accounts audited up to journal sequence ${report.journalThrough} in ${seconds} s: ${report.findingCount === 0 ? "no findings" : `${counted(report.findingCount)} findings`}`

/** Prints the findings, and the summary as the last line. */
const printReport = (report: AuditReport, milliseconds: number, isJson: boolean): void => {
  const { findings, findingCount, ...rest } = report
  const seconds = (milliseconds / 1_000).toFixed(1)
  const lines = findings.map((finding) => (isJson ? JSON.stringify(finding) : findingText(finding)))
  const more = findingCount - findings.length
  if (more > 0 && !isJson) lines.push(`… and ${counted(more)} more`)
  lines.push(isJson ? JSON.stringify({ findings: findingCount, ...rest, milliseconds }) : summaryText(report, seconds))
  process.stdout.write(`${lines.join("\n")}\n`)
}

export const audit = Command.make(
  "audit",
  {
    memory: Flag.Int("memory").pipe(
      Flag.withSchema(wholeNumber(1, memoryMax)),
      Flag.withDescription(
        `About the most MiB for the tables of the audit, by default ${memoryDefault}. With less memory the audit reads the journal more often`
      ),
      Flag.withDefault(memoryDefault)
    )
  },
  ({ memory }) =>
    Effect.gen(function* () {
      const { json } = yield* root
      const startedAt = performance.now()
      const report = yield* runLedgerAudit(memory * mebibyte)
      printReport(report, Math.round(performance.now() - startedAt), json)
      if (report.findingCount > 0) process.exitCode = exitCode.refused
    })
).pipe(
  Command.withDescription(
    "Recompute every account from the journal of the broker of NATS_URL, and compare it with its totals, counts, ids and heads, and with the input log. Changes nothing, and the system may go on. Ends with 1 if something does not agree"
  ),
  Command.withExamples([
    { command: "purchases audit", description: "Audit the whole ledger" },
    { command: "purchases --json audit --memory 2048", description: "Findings as JSON lines, with fewer passes" },
    { command: "purchases audit log", description: "The newest twenty changes in the audit log" }
  ]),
  Command.withSubcommands([log])
)
