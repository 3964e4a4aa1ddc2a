import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { addressOf } from "../../src/client/Address.ts"
import { WrongUrl } from "../../src/client/Failure.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { explained } from "./ExitCode.ts"
import { interruption } from "./Interruption.ts"
import { plain, timeText } from "./Output.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The longest `--timeout`, in seconds. */
const timeoutSecondsMax = 86_400

/** How long a command goes without an answer, in seconds, where `--timeout` does not say. */
export const timeoutSeconds = {
  reads: 10,
  /** Longer than a broker takes to elect a leader, for a purchase that was sent should not be left open. */
  writesAndFeeds: 30
} as const

export const root = Command.make("purchases").pipe(
  Command.withSharedFlags({
    url: Flag.String("url").pipe(
      Flag.withDescription("Where an edge listens, like http://127.0.0.1:8081; PURCHASES_URL sets it too"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print JSON, a value a line, with amounts as strings"),
      Flag.withDefault(false)
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.withSchema(wholeNumber(1, timeoutSecondsMax)),
      Flag.withDescription(
        `Seconds to go on without an answer: ${timeoutSeconds.reads} for reads unless told otherwise, ${timeoutSeconds.writesAndFeeds} for what stores and for feeds; the seconds of --wait come on top`
      ),
      Flag.optional
    )
  }),
  Command.withDescription(
    "Store purchases and see what the ledger holds.\n\nExit codes: 0 done; 1 refused or not there; 2 wrong command line; 3 the service cannot be reached or cannot do it now; 141 the reader of the output has gone. A signal ends it as that signal does."
  ),
  Command.withExamples([
    {
      command: "purchases post ann Lamp 12.50 --quantity 2 --wait 5",
      description: "Buy two lamps, and wait for the total"
    },
    { command: "purchases total ann", description: "What ann has bought in all" },
    { command: "purchases --json history ann --all", description: "All of it, as JSON lines" },
    { command: "purchases feed --after 0", description: "All that was ever applied, and what comes" }
  ])
)

interface Asked {
  readonly client: PurchaseClient
  /** Makes a client of the same service whose repetitions are told elsewhere. */
  readonly clientTelling: (onRetry: Asked["onRetry"]) => PurchaseClient
  /** Is aborted when a signal of the operating system ends the command. */
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
  /** The words of the command line that lead to the same service, for a command that is to be repeated. */
  readonly urlWords: ReadonlyArray<string>
  /** Prints a value: as JSON where that was asked for, else as the text for people. */
  readonly print: (value: unknown, text: string) => void
  /** Prints a text for people; with `--json` nothing. */
  readonly note: (text: string) => void
  /** Says once on stderr that something is tried again, and until when. */
  readonly onRetry: (failure: Error, waitMilliseconds: number, until: number | undefined) => void
}

/** Returns what says on stderr what is waited for: at the first repetition, and not again until the time is over. */
const sayingOnce = (seconds: number): Asked["onRetry"] => {
  let saidUntil = 0
  return (failure, _wait, until) => {
    if (until === undefined || until <= saidUntil || Date.now() < saidUntil) return
    saidUntil = until
    process.stderr.write(
      `purchases: ${plain(explained(failure))} Trying again until ${timeText(new Date(until).toISOString())} (--timeout ${seconds}).\n`
    )
  }
}

const printed = (text: string): void => void process.stdout.write(`${text}\n`)

/** Returns where the service is. Throws a WrongUrl that says where the wrong address was written. */
const addressGiven = (url: string | undefined): string => {
  const [source, text] =
    url === undefined ? ["PURCHASES_URL", process.env["PURCHASES_URL"] || "http://127.0.0.1:8081"] : ["--url", url]
  try {
    return addressOf(text)
  } catch (failure) {
    throw failure instanceof WrongUrl ? new WrongUrl(`${source} is wrong: ${failure.message}.`) : failure
  }
}

/** Runs what a command does with the service. `seconds` is how long it goes without an answer unless told otherwise. */
export const asking = (ask: (asked: Asked) => Promise<void>, seconds: number = timeoutSeconds.reads) =>
  Effect.gen(function* () {
    const { url, json, timeout } = yield* root
    const given = Option.getOrElse(timeout, () => seconds)
    const onRetry = sayingOnce(given)
    const timeoutMilliseconds = given * 1_000
    yield* Effect.tryPromise({
      try: () => {
        const address = addressGiven(Option.getOrUndefined(url))
        // The time alone ends a call.
        const settings = { url: address, timeoutMilliseconds, attemptsMax: Number.POSITIVE_INFINITY }
        const clientTelling: Asked["clientTelling"] = (told) => new PurchaseClient({ ...settings, onRetry: told })
        return ask({
          client: clientTelling(onRetry),
          clientTelling,
          signal: interruption(),
          timeoutMilliseconds,
          urlWords: Option.isSome(url) ? ["--url", url.value] : [],
          print: (value, text) => printed(json ? JSON.stringify(value) : text),
          note: (text) => json || printed(text),
          onRetry
        })
      },
      catch: (failure) => failure
    })
  })
