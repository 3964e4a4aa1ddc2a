import { Console, Effect } from "effect"
import { type CliError, CliOutput } from "effect/cli"

const notANumber = /finite number|integer/i

const words = /^"[^"]*"(?: \| "[^"]*")+$/

const expectedText = (expected: string): string => {
  const said = expected.replace(/^Schema validation failed: /, "")
  if (words.test(said)) return `must be one of ${said.replaceAll('"', "").replaceAll(" | ", ", ")}`
  return notANumber.test(said) ? "must be a whole number" : said
}

const suggested = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(" or ")}?`

const tooMany = (words: ReadonlyArray<string>): string =>
  `${words.map((text) => `"${text}"`).join(", ")} ${words.length === 1 ? "is one word" : `are ${words.length} words`} too many.`

/** Returns the mistake of a command line as one sentence for people. */
const sentence = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "InvalidValue": {
      if (error.kind === "flag" && error.value === "") return `--${error.option} needs a value.`
      const name = error.kind === "argument" ? `<${error.option}>` : `--${error.option}`
      return `${name} ${expectedText(error.expected)}, and is "${error.value}".`
    }
    case "MissingArgument":
      return `<${error.argument}> is missing.`
    case "MissingOption":
      return `--${error.option} is missing.`
    case "UnrecognizedOption":
      return `There is no option ${error.option} here.${suggested(error.suggestions)}`
    case "UnexpectedArgument":
      return tooMany(error.arguments)
    case "UnknownSubcommand":
      return `There is no command "${error.subcommand}".${suggested(error.suggestions)}`
    default:
      return error.message
  }
}

/** Prints the mistake of a command line, and one line of usage. Prints the whole help only if `--help` asks for it. */
export const shortUsage: CliOutput.Presenter = {
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const { errors, helpDoc, commandPath } = event
    const [error] = errors
    const wrong = error === undefined ? "The command line is wrong." : sentence(error)
    return Console.error(
      `purchases: ${wrong}\nusage: ${helpDoc.usage}   (${commandPath.join(" ")} --help says more)`
    ).pipe(Effect.asVoid)
  }
}
