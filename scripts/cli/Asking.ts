import { Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"

export const root = Command.make("purchases").pipe(
  Command.withSharedFlags({
    url: Flag.String("url").pipe(
      Flag.withDescription("Where an edge listens; PURCHASES_URL sets it too"),
      Flag.withDefault(process.env["PURCHASES_URL"] ?? "http://127.0.0.1:8081")
    ),
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print JSON, a value a line, with amounts as strings"),
      Flag.withDefault(false)
    )
  }),
  Command.withDescription(
    "Store purchases and see what the ledger holds.\n\nExit codes: 0 done; 1 refused, or there is no such thing; 2 wrong command line; 3 the service cannot be reached or cannot do it now."
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
  readonly signal: AbortSignal
  /** Prints a value: as JSON where that was asked for, else as the text for people. */
  readonly print: (value: unknown, text: string) => void
}

/** What a command does with the service. */
export const asking = (ask: (asked: Asked) => Promise<void>) =>
  Effect.gen(function* () {
    const { url, json } = yield* root
    const output = yield* Console.Console
    const client = new PurchaseClient({ url })
    yield* Effect.tryPromise({
      try: (signal) => ask({ client, signal, print: (value, text) => output.log(json ? JSON.stringify(value) : text) }),
      catch: (failure) => failure
    })
  })

export const PositiveInt = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))
