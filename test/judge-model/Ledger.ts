/**
 * The ledger of the model: values of rules and commits in one order, and the alerts that follow from them. The alerts
 * of the model depend on the ledger alone.
 */
export const users = ["ann", "bob"] as const
export type User = (typeof users)[number]
export type PerUser<Value> = Readonly<Record<User, Value>>

export const perUser = <Value>(of: (user: User) => Value): PerUser<Value> => ({ ann: of("ann"), bob: of("bob") })

/**
 * A rule of the model. Every purchase that the rule is about meets it, or only the second purchase of each purchaser.
 */
interface Rule {
  readonly owner: User
  readonly who: "self" | "all"
  readonly meets: "each" | "second"
}

/**
 * The rules of the scripts. A rule whose name ends with `'` is the changed form of the rule whose name lacks the `'`.
 */
export const ruleBook = {
  a: { owner: "ann", who: "all", meets: "each" },
  "a'": { owner: "ann", who: "self", meets: "each" },
  b: { owner: "bob", who: "all", meets: "each" },
  second: { owner: "bob", who: "all", meets: "second" }
} as const satisfies Record<string, Rule>
export type RuleName = keyof typeof ruleBook

/** The value of `rules.<owner>` after a change: all rules of the owner. */
interface RuleChange {
  readonly rulesOf: User
  readonly are: ReadonlyArray<RuleName>
}

/** The name of a purchase: the user and the purchase id, as one text. */
export type PurchaseName = `${User} ${string}`

/** A commit, with its purchases in the order of its lines. */
interface Commit {
  readonly bought: ReadonlyArray<PurchaseName>
}

/** The entries of the ledger. The entry at index 0 has sequence 1. */
export type Script = ReadonlyArray<RuleChange | Commit>

export const isCommit = (entry: Script[number]): entry is Commit => "bought" in entry

/** A purchase with the sequence of its commit, and its index in the commit. */
export interface Placed {
  readonly sequence: number
  readonly index: number
  readonly user: User
  readonly purchase: PurchaseName
}

const userOf = (purchase: PurchaseName): User => purchase.slice(0, 3) as User

/** Returns the purchases of the entries up to a sequence, in the order of the ledger. */
export const purchasesThrough = (script: Script, through: number): ReadonlyArray<Placed> =>
  script
    .slice(0, through)
    .flatMap((entry, at) =>
      isCommit(entry)
        ? entry.bought.map((purchase, index) => ({ sequence: at + 1, index, user: userOf(purchase), purchase }))
        : []
    )

const stemOf = (rule: RuleName): string => rule.replace("'", "")

/** Returns the sequence of the first value that has a rule, in its first or its changed form. */
const numberOf = (script: Script, rule: RuleName): number =>
  script.findIndex((entry) => !isCommit(entry) && entry.are.some((one) => stemOf(one) === stemOf(rule)))

/** Returns the rules that are in force after some entries of the ledger, in the order of their numbers. */
export const rulesAfter = (script: Script, sequences: ReadonlyArray<number>): ReadonlyArray<RuleName> => {
  const values = new Map<User, ReadonlyArray<RuleName>>()
  for (const sequence of sequences) {
    const entry = script[sequence - 1]
    if (entry !== undefined && !isCommit(entry)) values.set(entry.rulesOf, entry.are)
  }
  return [...values.values()].flat().toSorted((one, other) => numberOf(script, one) - numberOf(script, other))
}

/** A message with alerts: all alerts of one purchase for one owner. */
export interface AlertMessage {
  readonly purchase: PurchaseName
  readonly owner: User
  readonly rules: ReadonlyArray<RuleName>
}

/** Returns the messages with the alerts of one purchase, in the order of the numbers of each owner's first rule. */
export const judged = (
  { user, purchase }: Placed,
  rules: ReadonlyArray<RuleName>,
  countBefore: number
): ReadonlyArray<AlertMessage> => {
  const met = new Map<User, Array<RuleName>>()
  for (const name of rules) {
    const { owner, who, meets }: Rule = ruleBook[name]
    if (who === "self" && owner !== user) continue
    if (meets === "second" && countBefore !== 1) continue
    met.set(owner, [...(met.get(owner) ?? []), name])
  }
  return Array.from(met, ([owner, rules]) => ({ purchase, owner, rules }))
}

/** Returns the number of a user's purchases before a purchase, counted from the ledger. */
export const countBefore = (script: Script, { sequence, index, user }: Placed): number =>
  purchasesThrough(script, sequence).filter(
    (one) => one.user === user && (one.sequence < sequence || one.index < index)
  ).length

export const upTo = (sequence: number): ReadonlyArray<number> => Array.from({ length: sequence }, (_, at) => at + 1)

/** Returns the messages that a purchase must have, by the rules before it in the ledger. */
export const rightMessages = (script: Script, placed: Placed): ReadonlyArray<AlertMessage> =>
  judged(placed, rulesAfter(script, upTo(placed.sequence)), countBefore(script, placed))
