import { readFileSync } from "node:fs"
import { styleText } from "node:util"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { addressOf } from "../../src/client/Address.ts"
import { WrongUrl } from "../../src/client/Failure.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { explained, WrongToken } from "./ExitCode.ts"
import { interruption } from "./Interruption.ts"
import { plain, timeText } from "./Output.ts"
import { Progress } from "./Progress.ts"
import type { TableSpace } from "./Table.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The longest `--timeout`, in seconds. */
const timeoutSecondsMax = 86_400

/** The default of `--timeout`, in seconds. */
export const timeoutSeconds = {
  reads: 10,
  /** Brokers elect a leader in less time, so a purchase gets its answer even during an election. */
  writesAndFeeds: 30
} as const

export const root = Command.make("purchases").pipe(
  Command.withSharedFlags({
    url: Flag.String("url").pipe(
      Flag.withDescription("The address of an edge, like http://127.0.0.1:8081; PURCHASES_URL sets it too"),
      Flag.optional
    ),
    "token-file": Flag.String("token-file").pipe(
      Flag.withDescription("The file with the token of the caller; PURCHASES_TOKEN has the token itself"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print JSON, one value in a line, with amounts as strings"),
      Flag.withDefault(false)
    ),
    timeout: Flag.Int("timeout").pipe(
      Flag.withSchema(wholeNumber(1, timeoutSecondsMax)),
      Flag.withDescription(
        `Seconds to go on without an answer, by default ${timeoutSeconds.reads} for reads and ${timeoutSeconds.writesAndFeeds} for commands that store and for feeds; the seconds of --wait are added`
      ),
      Flag.optional
    )
  }),
  Command.withDescription(
    "Store purchases and read the ledger.\n\nExit codes: 0 done; 1 refused or not found, or findings of an audit; 2 wrong command line; 3 the service cannot be reached or cannot do it now; 141 the reader of the output has gone. A signal ends a command as it ends other programs."
  ),
  Command.withExamples([
    {
      command: "purchases post ann Lamp 12.50 --quantity 2 --wait 5",
      description: "Buy two lamps, and wait for the total"
    },
    { command: "purchases total ann", description: "The sum of all that ann has bought" },
    { command: "purchases --json history ann --all", description: "The whole history as JSON lines" },
    { command: "purchases feed --after 0", description: "All purchases from the first on, and new ones as they come" }
  ])
)

/** The means of a command: the client, and the ways to print. */
export interface Asked {
  readonly client: PurchaseClient
  /** The address of the service. */
  readonly address: string
  /** Makes a client of the same service that reports its retries to `onRetry`. */
  readonly clientTelling: (onRetry: Asked["onRetry"]) => PurchaseClient
  /** The signal that is aborted when SIGINT or SIGTERM ends the command. */
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
  /** The words of the command line that name the service, for a printed command that goes on. */
  readonly urlWords: ReadonlyArray<string>
  /** Prints the value as JSON with `--json`, and else the text. */
  readonly print: (value: unknown, text: string) => void
  /** Prints a text for people. Prints nothing with `--json`. */
  readonly note: (text: string) => void
  /** The terminal for tables; `undefined` if stdout is not a terminal, and with `--json`. */
  readonly terminal: TableSpace | undefined
  readonly progress: Progress
  /** Reports a retry on stderr, with the time at which the command gives up. */
  readonly onRetry: (failure: Error, waitMilliseconds: number, until: number | undefined) => void
}

/** Returns a function that reports the first retry on stderr, and no further retry until the timeout is over. */
const sayingOnce = (seconds: number, progress: Progress): Asked["onRetry"] => {
  let saidUntil = 0
  return (failure, _wait, until) => {
    if (until === undefined || until <= saidUntil || Date.now() < saidUntil) return
    saidUntil = until
    progress.makeRoom()
    process.stderr.write(
      `purchases: ${plain(explained(failure))} Trying again until ${timeText(new Date(until).toISOString())} (--timeout ${seconds}).\n`
    )
  }
}

/** The width of a terminal that does not tell its width, in characters. */
const terminalWidthDefault = 80

/**
 * Returns the terminal that reads stdout; `undefined` if no terminal reads stdout. If NO_COLOR is set, the terminal has
 * no colours.
 */
export const terminalOfOutput = (): TableSpace | undefined =>
  process.stdout.isTTY
    ? {
        width: process.stdout.columns || terminalWidthDefault,
        paint: (style, text) => styleText(style, text, { stream: process.stdout })
      }
    : undefined

/** Returns the address of the service. Throws a WrongUrl that names the flag or the variable with the wrong address. */
const addressGiven = (url: string | undefined): string => {
  const [source, text] =
    url === undefined ? ["PURCHASES_URL", process.env["PURCHASES_URL"] || "http://127.0.0.1:8081"] : ["--url", url]
  try {
    return addressOf(text)
  } catch (failure) {
    throw failure instanceof WrongUrl ? new WrongUrl(`${source} is wrong: ${failure.message}.`) : failure
  }
}

const readToken = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch (failure) {
    throw new WrongToken(`--token-file ${file} cannot be read: ${(failure as Error).message}.`)
  }
}

/**
 * Returns the token of the caller; `undefined` if no token is given. Throws a WrongToken if the token cannot be read.
 */
const tokenGiven = (file: string | undefined): string | undefined => {
  const source = file === undefined ? "PURCHASES_TOKEN" : `--token-file ${file}`
  const token = (file === undefined ? (process.env["PURCHASES_TOKEN"] ?? "") : readToken(file)).trim()
  if (file === undefined && token === "") return undefined
  // Only visible ASCII characters can stand in a header. No message shows the text of a token, which may be a secret.
  if (!/^[\x21-\x7E]+$/.test(token)) throw new WrongToken(`${source} holds no token.`)
  return token
}

/** Runs the work of a command with the service. `seconds` is the default of `--timeout`. */
export const asking = (ask: (asked: Asked) => Promise<void>, seconds: number = timeoutSeconds.reads) =>
  Effect.gen(function* () {
    const { url, json, timeout, "token-file": tokenFile } = yield* root
    const given = Option.getOrElse(timeout, () => seconds)
    const progress = new Progress()
    const onRetry = sayingOnce(given, progress)
    const timeoutMilliseconds = given * 1_000
    const printed = (text: string): void => {
      if (process.stdout.isTTY) progress.makeRoom()
      process.stdout.write(`${text}\n`)
    }
    yield* Effect.tryPromise({
      try: async () => {
        const address = addressGiven(Option.getOrUndefined(url))
        // Only the timeout ends the attempts of a call, and not their number.
        const token = tokenGiven(Option.getOrUndefined(tokenFile))
        const settings = {
          url: address,
          timeoutMilliseconds,
          attemptsMax: Number.POSITIVE_INFINITY,
          ...(token === undefined ? {} : { token })
        }
        const clientTelling: Asked["clientTelling"] = (told) => new PurchaseClient({ ...settings, onRetry: told })
        progress.start()
        await ask({
          client: clientTelling(onRetry),
          address,
          clientTelling,
          signal: interruption(),
          timeoutMilliseconds,
          urlWords: [
            ...(Option.isSome(url) ? ["--url", url.value] : []),
            ...(Option.isSome(tokenFile) ? ["--token-file", tokenFile.value] : [])
          ],
          print: (value, text) => printed(json ? JSON.stringify(value) : text),
          note: (text) => json || printed(text),
          terminal: json ? undefined : terminalOfOutput(),
          progress,
          onRetry
        }).finally(() => progress.stop())
      },
      catch: (failure) => failure
    })
  })
