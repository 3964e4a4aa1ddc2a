import { Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { ListedRule, Rule } from "../../src/client/Answers.ts"
import type { NewRule } from "../../src/client/NewRule.ts"
import { purchaseIdProblem } from "../../src/account/Identifier.ts"
import { comparisons, measures } from "../../src/rules/Rule.ts"
import { windowUnits } from "../../src/account/SpendingWindow.ts"
import { asking, timeoutSeconds } from "./Asking.ts"
import { matchText } from "./alerts.ts"
import { printList } from "./Listing.ts"
import { counted, membersText, plain } from "./Output.ts"
import { productFlags, textBy, user } from "./PurchaseArguments.ts"
import type { Column } from "./Table.ts"
import { wholeNumber } from "./WholeNumber.ts"

const ruleId = Argument.String("rule").pipe(
  Argument.withSchema(textBy(purchaseIdProblem)),
  Argument.withDescription("The id of the rule, of your choice")
)

const ifVersion = Flag.Int("if-version").pipe(
  Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
  Flag.withDescription("Change the rule only if it has this version"),
  Flag.optional
)

const Threshold = Schema.String.check(
  Schema.makeFilter((text: string) => /^[0-9]+(?:\.[0-9]+)?$/.test(text) || "must be a number, like 200.00")
)

const ruleArguments = {
  measure: Argument.Literals("measure", measures).pipe(
    Argument.withDescription(
      "The figure of a purchase: value, quantity or total; or a figure over the purchases of its buyer: spent or count"
    )
  ),
  threshold: Argument.String("threshold").pipe(
    Argument.withSchema(Threshold),
    Argument.withDescription("An exact amount, or a whole number for quantity and count")
  ),
  is: Flag.Literals("is", comparisons).pipe(
    Flag.withDescription("The comparison of the figure with the threshold. Without it, spent and count use crosses"),
    Flag.optional
  ),
  who: Flag.Literals("who", ["self", "all"]).pipe(
    Flag.withDescription("Whose purchases: those of the user, which is the default, or of all users"),
    Flag.withDefault("self" as const)
  ),
  ...productFlags,
  within: Flag.String("within").pipe(
    Flag.withDescription("The window of spent and count: a length like P7D or PT1H, or hour, day or month"),
    Flag.optional
  ),
  timeZone: Flag.String("time-zone").pipe(
    Flag.withDescription("The time zone of --within hour, day or month, UTC by default"),
    Flag.withDefault("UTC")
  ),
  from: Flag.String("from").pipe(Flag.withDescription("The first moment of the rule, with its offset"), Flag.optional),
  until: Flag.String("until").pipe(
    Flag.withDescription("The first moment after the rule, with its offset"),
    Flag.optional
  ),
  note: Flag.String("note").pipe(Flag.withDescription("A note of at most 200 characters"), Flag.optional),
  disabled: Flag.Boolean("disabled").pipe(
    Flag.withDescription("Set the rule, and leave it switched off"),
    Flag.withDefault(false)
  )
}

interface Given {
  readonly measure: Rule["measure"]
  readonly threshold: string
  readonly is: Option.Option<Rule["is"]>
  readonly who: Rule["who"]
  readonly product: Option.Option<string>
  readonly type: Option.Option<string>
  readonly within: Option.Option<string>
  readonly timeZone: string
  readonly from: Option.Option<string>
  readonly until: Option.Option<string>
  readonly note: Option.Option<string>
  readonly disabled: boolean
}

const member = <Name extends string, A>(name: Name, value: Option.Option<A>) =>
  (Option.isSome(value) ? { [name]: value.value } : {}) as { readonly [N in Name]?: A }

/** Returns the window that the words of a command line name. The service checks the length of a window. */
const windowOf = (text: string, timeZone: string): NonNullable<Rule["within"]> => {
  const by = windowUnits.find((unit) => unit === text)
  return by === undefined ? text : { by, timeZone }
}

/** Returns the rule that a command line describes. */
export const newRuleOf = ({ measure, threshold, who, within, timeZone, disabled, ...given }: Given): NewRule => ({
  who,
  measure,
  threshold,
  enabled: !disabled,
  ...member("is", given.is),
  ...member("product", given.product),
  ...member("productType", given.type),
  ...member("from", given.from),
  ...member("until", given.until),
  ...member("note", given.note),
  ...member(
    "within",
    Option.map(within, (text) => windowOf(text, timeZone))
  )
})

const sentence = ({ ruleId: id, version, inWords }: ListedRule): string =>
  `${plain(id)} (version ${version}): ${plain(inWords)}`

const windowText = (within: Rule["within"]): string =>
  typeof within === "object" ? `${within.by} in ${within.timeZone}` : (within ?? "")

/** Writes the members of a rule as lines, and its sentence first. */
export const ruleLines = ({ ruleId: id, version, number, inWords, rule }: ListedRule): string =>
  membersText({
    ruleId: id,
    inWords,
    version,
    number,
    ...rule,
    ...(rule.within === undefined ? {} : { within: windowText(rule.within) })
  })

const ruleColumns: ReadonlyArray<Column<ListedRule>> = [
  { name: "rule", cell: ({ ruleId: id }) => id },
  { name: "version", cell: ({ version }) => version, isNumber: true },
  { name: "state", cell: ({ rule }) => (rule.enabled ? "on" : "off") },
  { name: "in words", cell: ({ inWords }) => inWords }
]

const list = Command.make("list", { user }, (given) =>
  asking(async (asked) => {
    const { rules } = await asked.client.listRules(given.user, { signal: asked.signal })
    const empty = `${plain(given.user)} has no rules.`
    await printList(asked, rules, { line: sentence, columns: ruleColumns, empty })
  })
).pipe(
  Command.withDescription("The rules of a user, oldest first, as sentences"),
  Command.withExamples([{ command: "purchases rules list ann", description: "All rules of ann" }])
)

const show = Command.make("show", { user, rule: ruleId }, (given) =>
  asking(async ({ client, signal, print }) => {
    const found = await client.getRule(given.user, given.rule, { signal })
    print(found, ruleLines(found))
  })
).pipe(
  Command.withDescription("One rule with all its members"),
  Command.withExamples([{ command: "purchases rules show ann gadgets", description: "The rule gadgets of ann" }])
)

const put = Command.make(
  "put",
  {
    user,
    rule: ruleId,
    ...ruleArguments,
    ifVersion,
    new: Flag.Boolean("new").pipe(
      Flag.withDescription("Set the rule only if the user has no rule of this id"),
      Flag.withDefault(false)
    )
  },
  ({ user: userId, rule, ifVersion: version, new: onlyNew, ...given }) =>
    asking(async ({ client, signal, print }) => {
      const options = { signal, onlyNew, ...member("ifVersion", version) }
      const stored = await client.putRule(userId, rule, newRuleOf(given), options)
      print(stored, sentence(stored))
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Set a rule. The same rule again changes nothing"),
  Command.withExamples([
    {
      command: "purchases rules put ann gadgets spent 200 --type Electronics --within P7D",
      description: "When ann has spent 200 on electronics in 7 days"
    },
    {
      command: "purchases rules put ann cheap value 900 --is less-or-equal --product Laptop --who all",
      description: "When anybody buys a laptop for 900 or less"
    }
  ])
)

/** Makes the command that switches a rule on or off. */
const switching = (name: "enable" | "disable", enabled: boolean, description: string) =>
  Command.make(name, { user, rule: ruleId }, (given) =>
    asking(async ({ client, signal, print }) => {
      const { version, rule } = await client.getRule(given.user, given.rule, { signal })
      // The version protects a change that somebody else makes at the same time.
      const options = { signal, ifVersion: version }
      const stored = await client.putRule(given.user, given.rule, { ...rule, enabled }, options)
      print(stored, sentence(stored))
    }, timeoutSeconds.writesAndFeeds)
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `purchases rules ${name} ann gadgets`, description: "The rule gadgets of ann" }])
  )

const remove = Command.make("remove", { user, rule: ruleId, ifVersion }, (given) =>
  asking(async ({ client, signal, print }) => {
    await client.removeRule(given.user, given.rule, { signal, ...member("ifVersion", given.ifVersion) })
    print({ userId: given.user, ruleId: given.rule, removed: true }, `${plain(given.rule)} is removed`)
  }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("Remove a rule. Purchases that are stored after that give no alert"),
  Command.withExamples([{ command: "purchases rules remove ann gadgets", description: "The rule gadgets of ann" }])
)

const dayMilliseconds = 86_400_000
const testDays = { min: 1, max: 36_500, default: 30 }

/** Returns the time some days ago, as the service reads it. */
const daysAgo = (days: number): string => new Date(Date.now() - days * dayMilliseconds).toISOString()

const test = Command.make(
  "test",
  {
    user,
    rule: ruleId,
    days: Flag.Int("days").pipe(
      Flag.withSchema(wholeNumber(testDays.min, testDays.max)),
      Flag.withDescription(`The days of purchases that are judged, ${testDays.default} by default`),
      Flag.withDefault(testDays.default)
    ),
    list: Flag.Boolean("list").pipe(Flag.withDescription("Print each alert"), Flag.withDefault(false))
  },
  (given) =>
    asking(async ({ client, signal, print, progress }) => {
      const options = { signal, from: daysAgo(given.days) }
      for await (const event of client.backTest(given.user, given.rule, options)) {
        if (event.kind === "progress") progress.show(() => `${counted(event.purchases)} purchases judged`)
        if (event.kind === "alert") {
          if (given.list) print(event.alert, matchText(event.alert))
        } else if (event.kind === "progress" && event.isComplete) {
          const { matches, purchases } = event
          const times = matches === 1 ? "once" : `${counted(matches)} times`
          const text = `${plain(given.rule)} would have fired ${times} on ${counted(purchases)} purchases of ${given.days} days`
          print({ ruleId: given.rule, matches, purchases, days: given.days }, text)
        }
      }
    }, timeoutSeconds.writesAndFeeds)
).pipe(
  Command.withDescription("How often a rule would have fired on purchases of the past. Nothing is stored"),
  Command.withExamples([
    { command: "purchases rules test ann gadgets", description: "On the purchases of 30 days" },
    { command: "purchases rules test ann gadgets --days 7 --list", description: "With each alert of 7 days" }
  ])
)

export const rules = Command.make("rules").pipe(
  Command.withDescription("The rules of a user: each purchase that meets a rule gives one alert"),
  Command.withExamples([{ command: "purchases rules list ann", description: "All rules of ann" }]),
  Command.withSubcommands([
    list,
    show,
    put,
    switching("enable", true, "Switch a rule on"),
    switching("disable", false, "Switch a rule off, and keep it"),
    test,
    remove
  ])
)
