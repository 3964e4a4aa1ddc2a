import { randomBytes } from "node:crypto"
import { Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { type Asked, asking, timeoutSeconds } from "./Asking.ts"
import { commandText, counted } from "./Output.ts"
import { barText } from "./Progress.ts"
import { user } from "./PurchaseArguments.ts"
import { randomPurchase } from "./RandomPurchase.ts"
import { newRunState, type RunState, StateFile } from "./StateFile.ts"
import { StoringRun } from "./StoringRun.ts"
import { Unfinished } from "./Unfinished.ts"
import { UnusableFile } from "./UnusableFile.ts"
import { wholeNumber } from "./WholeNumber.ts"

/** The most purchases of one `generate`. */
const generateMax = 10_000_000

const RunId = Schema.String.check(
  Schema.makeFilter((text: string) => /^[A-Za-z0-9_-]{1,64}$/.test(text) || "must be 1 to 64 letters, digits, - and _")
)

const newRunId = (): string => randomBytes(6).toString("hex")

/** The purchases after which the state is kept. */
const partPurchases = 10_000

interface Given {
  readonly count: number
  readonly user: string
  readonly run: string
  readonly stateFile: StateFile | undefined
  readonly urlWords: ReadonlyArray<string>
}

/**
 * Returns the shell command that continues the run. A word that begins with - stands behind --, because without -- the
 * word would be an option.
 */
const continuation = ({ count, user, run, stateFile, urlWords }: Given): string => {
  const named = run.startsWith("-") ? [`--run=${run}`] : ["--run", run]
  const flags = [...named, ...(stateFile === undefined ? [] : [`--state=${stateFile.path}`])]
  const rest = user.startsWith("-") ? [...flags, "--", String(count), user] : [String(count), user, ...flags]
  return commandText([...urlWords, "generate", ...rest])
}

/** Returns the name of the run: the given name, the name in the kept state, or a new name. */
const runOf = (given: string | undefined, stateFile: StateFile | undefined): string =>
  given ?? stateFile?.read()?.work["run"] ?? newRunId()

type Means = Pick<Asked, "clientTelling" | "signal" | "timeoutMilliseconds" | "onRetry" | "progress">

/**
 * The storing of all purchases of a run. With a state file the purchases are stored in parts, and the state is kept
 * after each part.
 */
class Generation {
  private readonly given: Given
  private state: RunState
  private part: StoringRun | undefined
  /** The message of the first refusal; `undefined` if no purchase was refused since the start of this process. */
  refusal: string | undefined

  constructor(given: Given, address: string) {
    const { user, count, run, stateFile } = given
    this.given = given
    const work = { command: "generate", service: address, user, count: String(count), run }
    this.state = stateFile?.of(work) ?? newRunState(work)
  }

  get stored(): number {
    return this.state.stored + (this.part?.stored ?? 0)
  }

  get refused(): number {
    return this.state.refused + (this.part?.refused ?? 0)
  }

  async store({ progress, ...settings }: Means): Promise<void> {
    const { count, user, run, stateFile } = this.given
    progress.show(() => barText("stored", this.stored + this.refused, count))
    // The name of a run must not be lost, or the same command would send other purchases.
    stateFile?.write(this.state)
    while (this.state.settled < count) {
      const { settled } = this.state
      const size = Math.min(stateFile === undefined ? count : partPurchases, count - settled)
      const part = new StoringRun(size, (number) => randomPurchase(user, run, settled + number))
      this.part = part
      await part.store(settings)
      this.refusal ??= part.refusal
      this.state = {
        ...this.state,
        settled: settled + size,
        stored: this.stored,
        refused: this.refused,
        isDone: settled + size === count
      }
      this.part = undefined
      stateFile?.write(this.state)
    }
  }

  /** Returns a text with the number of stored purchases, and the command that continues the run. */
  howToGoOn(): string {
    const { count } = this.given
    const command = continuation(this.given)
    const known = `${counted(this.stored)} of ${counted(count)} are stored. Continue with: ${command}`
    const open = this.part?.open ?? 0
    return open === 0 ? known : `${known}\nUp to ${counted(open)} more were sent and may be stored; each counts once.`
  }
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
    ),
    state: Flag.String("state").pipe(
      Flag.withDescription("The file that keeps how far the run is, so that the same command goes on there"),
      Flag.optional
    )
  },
  ({ count, user, run, state }) =>
    asking(async ({ address, print, urlWords, ...means }) => {
      const stateFile = Option.isSome(state) ? new StateFile(state.value) : undefined
      const given = { count, user, run: runOf(Option.getOrUndefined(run), stateFile), stateFile, urlWords }
      const generation = new Generation(given, address)
      try {
        await generation.store(means)
      } catch (cause) {
        throw cause instanceof UnusableFile ? cause : new Unfinished(generation.howToGoOn(), { cause })
      }
      const { stored, refused, refusal = "" } = generation
      print({ userId: user, stored, failed: refused, run: given.run }, `${stored} purchases of ${user} are stored`)
      if (refused > 0) throw new Error(`${refused} of ${count} purchases were not stored. ${refusal}`)
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription(
    "Store random purchases of a user. A run that broke off can be continued, and none counts twice"
  ),
  Command.withExamples([
    { command: "purchases generate 100000 ann", description: "With a bar that shows the progress" },
    { command: "purchases generate 100000 ann --run monday", description: "Sends the same purchases each time" },
    {
      command: "purchases generate 5000000 ann --state ann.state",
      description: "The same command goes on where it broke off, also after kill -9"
    }
  ])
)
