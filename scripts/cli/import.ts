import { Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { asking, timeoutSeconds } from "./Asking.ts"
import { ColumnMap, ConstantMembers, ImportColumns, pairsIn } from "./ImportColumns.ts"
import { type Format, formatOf, formats, ImportFile } from "./ImportFile.ts"
import { ImportRun } from "./ImportRun.ts"
import { commandText, counted, plain } from "./Output.ts"
import { StateFile } from "./StateFile.ts"
import { Unfinished } from "./Unfinished.ts"
import { UnusableFile } from "./UnusableFile.ts"

const tab = "tab"

const Delimiter = Schema.String.check(
  Schema.makeFilter((text: string) => text === tab || /^[^"\r\n]$/.test(text) || `must be one character, or ${tab}`)
)

interface Given {
  readonly file: string
  readonly format: Option.Option<Format>
  readonly delimiter: string
  readonly map: Option.Option<string>
  readonly set: Option.Option<string>
  readonly refused: Option.Option<string>
  readonly state: Option.Option<string>
  readonly dryRun: boolean
  readonly wait: boolean
}

/** Returns the shell command that goes on with an import that broke off, which is the same command again. */
const sameCommand = (
  { file, format, delimiter, map, set, refused, state, wait }: Given,
  urlWords: ReadonlyArray<string>
) => {
  const flag = (name: string, value: Option.Option<string>) =>
    Option.isSome(value) ? [`--${name}=${value.value}`] : []
  return commandText([
    ...urlWords,
    "import",
    ...(file.startsWith("-") ? [`./${file}`] : [file]),
    ...flag("format", format),
    ...(delimiter === "," ? [] : [`--delimiter=${delimiter}`]),
    ...flag("map", map),
    ...flag("set", set),
    ...flag("refused", refused),
    ...flag("state", state),
    ...(wait ? ["--wait"] : [])
  ])
}

/** Returns the run of a command line. Throws an UnusableFile if the command line does not fit together. */
const runOf = (given: Given, address: string, means: ConstructorParameters<typeof ImportRun>[1]): ImportRun => {
  const map = Option.getOrElse(given.map, () => "")
  const set = Option.getOrElse(given.set, () => "")
  const format = Option.getOrElse(given.format, () => formatOf(given.file))
  const delimiter = given.delimiter === tab ? "\t" : given.delimiter
  const refusedPath = Option.getOrUndefined(given.refused)
  const statePath = Option.getOrUndefined(given.state)
  if (statePath !== undefined && (statePath === given.file || statePath === refusedPath)) {
    throw new UnusableFile(`${statePath} of --state is named twice. Give each file a name of its own.`)
  }
  const settings = {
    file: new ImportFile(given.file, format, delimiter),
    columns: new ImportColumns(pairsIn(map), pairsIn(set)),
    work: { command: "import", service: address, format, delimiter, map, set, refused: refusedPath ?? "" },
    stateFile: statePath === undefined ? undefined : new StateFile(statePath),
    refusedPath,
    isDry: given.dryRun,
    untilApplied: given.wait
  }
  return new ImportRun(settings, means)
}

/** Returns the sentences about refused records. */
const refusedText = ({ records, refused, reasons }: ImportRun, path: string | undefined): string => {
  const lead = `${counted(refused)} of ${counted(records)} lines were refused`
  if (path !== undefined) return `${lead}. Mend them in ${path}, and import that file.`
  const shown = reasons.map((reason) => `\n  ${plain(reason)}`).join("")
  const rest = refused > reasons.length && reasons.length > 0 ? "\n  …" : ""
  return `${lead}. With --refused FILE they are written into a file.${shown}${rest}`
}

/** The most lines that a message names. */
const linesNamedMax = 10

/** Returns the sentence about lines whose purchases are stored and not applied; an empty text without such a line. */
const unappliedText = (lines: ReadonlyArray<number>): string => {
  if (lines.length === 0) return ""
  const named = lines.slice(0, linesNamedMax).map(counted).join(", ")
  return ` ${counted(lines.length)} more are stored, and not applied yet: line ${named}${lines.length > linesNamedMax ? ", …" : ""}.`
}

/** Returns the sentences about records without an id. */
const withoutIdText = ({ withoutId, records }: ImportRun): string =>
  `${counted(withoutId)} of ${counted(records)} lines have no id. Their ids follow from the whole file: a changed copy of it counts again.`

export const importing = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription(
        "A CSV file whose first line names its columns, or a file with a JSON object in each line"
      )
    ),
    format: Flag.Literals("format", formats).pipe(
      Flag.withDescription("The format of the file, by default as the ending of its name says"),
      Flag.optional
    ),
    delimiter: Flag.String("delimiter").pipe(
      Flag.withSchema(Delimiter),
      Flag.withDescription(`The character between the cells of a CSV file, or ${tab}; a comma by default`),
      Flag.withDefault(",")
    ),
    map: Flag.String("map").pipe(
      Flag.withSchema(ColumnMap),
      Flag.withDescription(
        "The columns of members that have other names in the file, like value=price,purchaseId=order"
      ),
      Flag.optional
    ),
    set: Flag.String("set").pipe(
      Flag.withSchema(ConstantMembers),
      Flag.withDescription("The values of members that are the same in all lines, like productType=Office,quantity=1"),
      Flag.optional
    ),
    refused: Flag.String("refused").pipe(
      Flag.withDescription(
        "The new file for lines that cannot be stored, in the format of the file, with the reason of each. Mend it, and import it"
      ),
      Flag.optional
    ),
    state: Flag.String("state").pipe(
      Flag.withDescription("The file that keeps how far the import is, so that the same command goes on there"),
      Flag.optional
    ),
    wait: Flag.Boolean("wait").pipe(
      Flag.withDescription(
        "End only when the stored purchases are applied. --timeout bounds the wait without progress"
      ),
      Flag.withDefault(false)
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Check all lines, and send nothing"),
      Flag.withDefault(false)
    )
  },
  (given) =>
    asking(async ({ address, print, note, urlWords, ...means }) => {
      const run = runOf(given, address, means)
      try {
        await run.run()
      } catch (cause) {
        if (cause instanceof UnusableFile) throw cause
        const done = `${counted(run.settled)} of ${counted(run.records)} lines are done.`
        const goOn = `Continue with: ${sameCommand(given, urlWords)}\nLines that are sent again count once.`
        throw new Unfinished(`${done}${unappliedText(run.unappliedLines)} ${goOn}`, { cause })
      }
      const { records, stored, refused } = run
      const refusedPath = Option.getOrUndefined(given.refused)
      const became = given.dryRun ? "can be sent" : given.wait ? "are applied" : "are stored"
      const counts = given.dryRun ? { sendable: stored } : given.wait ? { stored, applied: stored } : { stored }
      const file = refused > 0 && refusedPath !== undefined ? { refusedFile: refusedPath } : {}
      print(
        { file: given.file, lines: records, ...counts, refused, ...file },
        `${stored} purchases of ${plain(given.file)} ${became}`
      )
      if (run.withoutId > 0) note(withoutIdText(run))
      if (refused > 0) throw new Error(refusedText(run, refusedPath))
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Store the purchases of a file, each once, however often the file is imported"),
  Command.withExamples([
    {
      command: "purchases import orders.csv --map value=price,purchaseId=order --dry-run",
      description: "Checks each line, and sends nothing"
    },
    {
      command: "purchases import orders.ndjson --refused refused.ndjson --state orders.state",
      description: "Goes on where it broke off; refused.ndjson has the refused lines"
    },
    { command: "purchases import orders.csv --wait", description: "Ends when all purchases are applied" }
  ])
)
