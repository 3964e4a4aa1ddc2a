import { Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { NewPurchase } from "../../src/client/Answers.ts"
import { sampleProducts, sampleProductTypes } from "../../src/domain/SamplePurchase.ts"
import { asking, PositiveInt, root } from "./Asking.ts"
import { listed, listFlags } from "./Listing.ts"
import { entryLine, membersText, plain, ProgressBar } from "./Output.ts"
import { purchaseArguments, purchaseOf, user } from "./PurchaseArguments.ts"
import { rejected } from "./rejected.ts"
import { status } from "./status.ts"

/** The most purchases of one `generate`. */
const generateMax = 10_000_000

const total = Command.make("total", { user }, (given) =>
  asking(async ({ client, signal, print }) => {
    const account = await client.total(given.user, { signal })
    print(account, `${account.total} ${account.currency} in ${account.purchaseCount} purchases`)
  })
).pipe(
  Command.withDescription("The total of a user, exact and current"),
  Command.withExamples([{ command: "purchases total ann", description: "What ann has bought in all" }])
)

const history = Command.make("history", { user, ...listFlags }, (given) =>
  asking(async ({ client, signal, print }) => {
    for await (const entry of listed(client.history(given.user, { signal }), given)) print(entry, entryLine(entry))
  })
).pipe(
  Command.withDescription("The purchases of a user, newest first"),
  Command.withExamples([{ command: "purchases history ann --limit 5", description: "The newest five" }])
)

const receipt = Command.make(
  "receipt",
  { user, purchase: Argument.String("purchase").pipe(Argument.withDescription("The id of the purchase")) },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const found = await client.receipt(given.user, given.purchase, { signal })
      print(found, membersText(found))
    })
).pipe(
  Command.withDescription("The receipt of a purchase that was applied"),
  Command.withExamples([
    { command: "purchases receipt ann order-1", description: "When it was applied, and how often it came again" }
  ])
)

const post = Command.make(
  "post",
  {
    ...purchaseArguments,
    wait: Flag.Int("wait").pipe(
      Flag.withDescription("Seconds to wait until it is applied, at most 30"),
      Flag.withDefault(0)
    )
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const posted = await client.post(purchaseOf(given), { waitSeconds: given.wait, signal })
      const became = posted.status === "applied" ? `applied; the total is ${posted.runningTotal}` : "stored"
      print(posted, `${plain(posted.purchaseId)} of ${posted.total} is ${became}`)
    })
).pipe(
  Command.withDescription("Store a purchase, to be applied exactly once"),
  Command.withExamples([
    { command: "purchases post ann Lamp 12.50 --id order-1 --wait 5", description: "Sending it again counts once" }
  ])
)

const chosen = (from: ReadonlyArray<string>): string => from[Math.floor(Math.random() * from.length)] ?? ""

function* randomPurchases(userId: string, count: number): Generator<NewPurchase> {
  for (let made = 0; made < count; made += 1) {
    yield {
      userId,
      productName: chosen(sampleProducts),
      productType: chosen(sampleProductTypes),
      value: BigInt(1_000 + Math.floor(Math.random() * 99_001)),
      quantity: 1 + Math.floor(Math.random() * 5)
    }
  }
}

const generate = Command.make(
  "generate",
  {
    count: Argument.Int("count").pipe(
      Argument.withSchema(PositiveInt(generateMax)),
      Argument.withDescription("How many purchases")
    ),
    user
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const bar = new ProgressBar("stored", given.count)
      const counts = { stored: 0, failed: 0 }
      for await (const { outcome } of client.postAll(randomPurchases(given.user, given.count), { signal })) {
        if ("problem" in outcome) {
          counts.failed += 1
          if (counts.failed === 1) process.stderr.write(`${outcome.problem.detail}\n`)
        } else counts.stored += 1
        bar.show(counts.stored + counts.failed)
      }
      bar.clear()
      print({ userId: given.user, ...counts }, `${counts.stored} purchases of ${given.user} are stored`)
      if (counts.failed > 0) throw new Error(`${counts.failed} of ${given.count} purchases were not stored`)
    })
).pipe(
  Command.withDescription("Store random purchases of a user; a broken connection costs and doubles none"),
  Command.withExamples([
    { command: "purchases generate 100000 ann", description: "With a bar that shows how far it is" }
  ])
)

const feed = Command.make(
  "feed",
  {
    user: Flag.String("user").pipe(Flag.withDescription("One user's; without it that of all"), Flag.optional),
    after: Flag.String("after").pipe(
      Flag.withDescription("Go on after this place; 0 is the beginning. Without it, from now on"),
      Flag.optional
    ),
    count: Flag.Int("count").pipe(
      Flag.withSchema(PositiveInt(Number.MAX_SAFE_INTEGER)),
      Flag.withDescription("End after so many commits"),
      Flag.optional
    )
  },
  (given) =>
    asking(async ({ client, signal, print }) => {
      const options = {
        signal,
        ...(Option.isSome(given.user) ? { userId: given.user.value } : {}),
        ...(Option.isSome(given.after) ? { after: given.after.value } : {})
      }
      let shown = 0
      for await (const event of client.feed(options)) {
        if (event.kind === "reset") {
          print(event, `at ${event.id}: ${event.detail}`)
          continue
        }
        const { userId, purchases } = event.applied
        const lines = purchases.map(
          (entry) => `${event.id.padStart(8)} ${plain(userId).padEnd(16)} ${entryLine(entry)}`
        )
        if (lines.length > 0) print(event, lines.join("\n"))
        shown += 1
        if (Option.contains(given.count, shown)) break
      }
    })
).pipe(
  Command.withDescription("What is applied, as it is applied"),
  Command.withExamples([{ command: "purchases feed --user ann", description: "Until Ctrl-C" }])
)

export const purchases = root.pipe(
  Command.withSubcommands([post, total, history, receipt, generate, feed, rejected, status])
)
