import { randomBytes } from "node:crypto"
import { Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { asking, timeoutSeconds } from "./Asking.ts"
import { counted, shellWord } from "./Output.ts"
import { barText } from "./Progress.ts"
import { user } from "./PurchaseArguments.ts"
import { randomPurchase } from "./RandomPurchase.ts"
import { StoringRun } from "./StoringRun.ts"
import { Unfinished } from "./Unfinished.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The most purchases of one `generate`. */
const generateMax = 10_000_000

const RunId = Schema.String.check(
  Schema.makeFilter((text: string) => /^[A-Za-z0-9_-]{1,64}$/.test(text) || "must be 1 to 64 letters, digits, - and _")
)

const newRunId = (): string => randomBytes(6).toString("hex")

interface Given {
  readonly count: number
  readonly user: string
  readonly run: string
  readonly urlWords: ReadonlyArray<string>
}

/**
 * Returns the shell command that continues the run. A word that begins with - stands behind --, or it would be an
 * option.
 */
const continuation = ({ count, user, run, urlWords }: Given): string => {
  const program = process.env["PURCHASES_CALLED_AS"] || "purchases"
  const named = run.startsWith("-") ? [`--run=${run}`] : ["--run", run]
  const rest = user.startsWith("-") ? [...named, "--", String(count), user] : [String(count), user, ...named]
  return [program, ...urlWords, "generate", ...rest].map(shellWord).join(" ")
}

/** Returns a text with the number of stored purchases, and the command that continues the run. */
const howToGoOn = (storing: StoringRun, given: Given): string => {
  const known = `${counted(storing.stored)} of ${counted(given.count)} are stored. Continue with: ${continuation(given)}`
  return storing.open === 0
    ? known
    : `${known}\nUp to ${counted(storing.open)} more were sent and may be stored; each counts once.`
}

export const generate = Command.make(
  "generate",
  {
    count: Argument.Int("count").pipe(
      Argument.withSchema(wholeNumber(1, generateMax)),
      Argument.withDescription("The number of purchases")
    ),
    user,
    run: Flag.String("run").pipe(
      Flag.withSchema(RunId),
      Flag.withDescription(
        "The name of the run, from which all ids and contents follow. A run that is repeated counts once. Without --run it gets a new name"
      ),
      Flag.optional
    )
  },
  ({ count, user, run }) =>
    asking(async ({ clientTelling, signal, print, timeoutMilliseconds, onRetry, urlWords, progress }) => {
      const given = { count, user, run: Option.getOrElse(run, newRunId), urlWords }
      const storing = new StoringRun(count, (number) => randomPurchase(user, given.run, number))
      progress.show(() => barText("stored", storing.settled, count))
      try {
        await storing.store({ clientTelling, signal, timeoutMilliseconds, onRetry })
      } catch (cause) {
        throw new Unfinished(howToGoOn(storing, given), { cause })
      }
      const { stored, refused, refusal } = storing
      print({ userId: user, stored, failed: refused, run: given.run }, `${stored} purchases of ${user} are stored`)
      if (refused > 0) throw new Error(`${refused} of ${count} purchases were not stored. ${refusal}`)
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription(
    "Store random purchases of a user. A run that broke off can be continued, and none counts twice"
  ),
  Command.withExamples([
    { command: "purchases generate 100000 ann", description: "With a bar that shows the progress" },
    { command: "purchases generate 100000 ann --run monday", description: "Sends the same purchases each time" }
  ])
)
