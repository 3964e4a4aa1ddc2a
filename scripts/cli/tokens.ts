import { rmSync, writeFileSync } from "node:fs"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { inNormalForm } from "../../src/account/Identifier.ts"
import { scopes } from "../../src/protocol/Scope.ts"
import type { TokenLimits, TokenUsers } from "../../src/protocol/TokenRecord.ts"
import type { IssuedToken } from "../../src/edge/access/TokenChanges.ts"
import { root, terminalOfOutput } from "./Asking.ts"
import { plain, timeText } from "./Output.ts"
import { type Column, tableText } from "./Table.ts"
import { millisecondsIn } from "./TimeSpan.ts"
import { wholeNumber } from "./WholeNumber.ts"
import { createToken, type ListedToken, listTokens, onBroker, revokeToken, rollToken } from "./TokenAdmin.ts"

const allScopes = Object.keys(scopes)
const never = "never"
/** The time for which a new token counts by default. */
const expiresDefault = "90d"

const isTime = (text: string) => millisecondsIn(text) !== undefined || "must be a time like 90d, 24h, 30m or 10s"

const itemsOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")

const scopesIn = (text: string): ReadonlyArray<string> => (text === "all" ? allScopes : itemsOf(text))

const isScopes = (text: string) => {
  const wrong = scopesIn(text).find((scope) => !allScopes.includes(scope))
  if (wrong !== undefined) return `has no scope ${wrong}. The scopes are ${allScopes.join(", ")}, or all`
  return scopesIn(text).length > 0 || "must not be empty"
}

const checked = (check: (text: string) => true | string) => Schema.String.check(Schema.makeFilter(check))

const tokenId = Argument.String("id").pipe(
  Argument.withSchema(
    checked((text) => /^[0-9a-f]{12}$/.test(text) || "must be the id of a token, as the list names it")
  ),
  Argument.withDescription("The id of the token: the part between pl_ and the next _")
)

const out = Flag.String("out").pipe(
  Flag.withDescription("Write the token into this new file, which only its owner can read, instead of printing it"),
  Flag.optional
)

const printed = (text: string): void => void process.stdout.write(`${text}\n`)

/**
 * Has a token made, and prints the token or writes it into a new file. The file is made first, so that no token is made
 * whose secret cannot be kept. The command does not overwrite a file that exists.
 */
const handOut = Effect.fnUntraced(function* (make: Effect.Effect<IssuedToken, unknown>, file: Option.Option<string>) {
  const { json } = yield* root
  const path = Option.getOrUndefined(file)
  if (path !== undefined) yield* Effect.try(() => writeFileSync(path, "", { mode: 0o600, flag: "wx" }))
  const removed = Effect.sync(() => path !== undefined && rmSync(path))
  const { id, token, record } = yield* Effect.onError(make, () => removed)
  if (Option.isSome(file)) {
    yield* Effect.try(() => writeFileSync(file.value, `${token}\n`))
    return printed(json ? JSON.stringify({ id, name: record.name, file: file.value }) : `${id} is in ${file.value}`)
  }
  if (json) return printed(JSON.stringify({ id, name: record.name, token }))
  printed(token)
  process.stderr.write(`purchases: this is the only time that the secret of token ${id} is shown.\n`)
})

const usersOf = (only: Option.Option<string>, prefix: Option.Option<string>): TokenUsers => {
  if (Option.isSome(only)) return { only: itemsOf(only.value).map(inNormalForm) }
  return Option.isSome(prefix) ? { prefix: inNormalForm(prefix.value) } : "all"
}

const limitFlag = (name: string, what: string) =>
  Flag.Int(name).pipe(Flag.withSchema(wholeNumber(1, 1_000_000_000)), Flag.withDescription(what), Flag.optional)

/** The flags of the limits of a token. Where a flag is missing, the limit of the edge counts. */
const limitFlags = {
  points: limitFlag("points", "The points that the caller may spend in a second"),
  reads: limitFlag("reads", "The most reads that the caller has open at once"),
  stores: limitFlag("stores", "The most requests that store and that the caller has open at once"),
  "line-bodies": limitFlag("line-bodies", "The most bodies of lines that the caller has open at once"),
  feeds: limitFlag("feeds", "The most feeds that the caller has open at once")
}

const limitsOf = (given: { readonly [Name in keyof typeof limitFlags]: Option.Option<number> }): TokenLimits => {
  const limits = {
    pointsPerSecond: given.points,
    reads: given.reads,
    waitingPosts: given.stores,
    lineBodies: given["line-bodies"],
    feeds: given.feeds
  }
  return Object.fromEntries(
    Object.entries(limits).flatMap(([name, limit]) => (Option.isSome(limit) ? [[name, limit.value]] : []))
  )
}

const create = Command.make(
  "create",
  {
    name: Flag.String("name").pipe(Flag.withDescription("Says for people what the token is for")),
    scopes: Flag.String("scopes").pipe(
      Flag.withSchema(checked(isScopes)),
      Flag.withDescription(`What the token allows, with commas, or all: ${allScopes.join(", ")}`)
    ),
    users: Flag.String("users").pipe(
      Flag.withDescription("The only users whose data the token gives, with commas. Without this and --prefix: all"),
      Flag.optional
    ),
    prefix: Flag.String("prefix").pipe(
      Flag.withDescription("The token gives the data of users whose id begins like this"),
      Flag.optional
    ),
    expires: Flag.String("expires").pipe(
      Flag.withSchema(checked((text) => text === never || isTime(text))),
      Flag.withDescription(`How long the token counts, like 24h, or ${never}; ${expiresDefault} by default`),
      Flag.withDefault(expiresDefault)
    ),
    ...limitFlags,
    out
  },
  (given) =>
    Effect.gen(function* () {
      const limits = limitsOf(given)
      const milliseconds = given.expires === never ? undefined : millisecondsIn(given.expires)
      const make = onBroker(
        createToken({
          name: given.name,
          scopes: scopesIn(given.scopes),
          users: usersOf(given.users, given.prefix),
          ...(Object.keys(limits).length === 0 ? {} : { limits }),
          ...(milliseconds === undefined ? {} : { expiresAt: Date.now() + milliseconds })
        })
      )
      yield* handOut(make, given.out)
    })
).pipe(
  Command.withDescription("Make a token, and print it once"),
  Command.withExamples([
    {
      command: "purchases tokens create --name shop --scopes purchases:write,users:read --prefix shop-",
      description: "For a shop whose users begin with shop-"
    },
    { command: "purchases tokens create --name prometheus --scopes metrics:read --expires never", description: "" }
  ])
)

/** Returns whether a token counts now, in a word. */
const stateOf = ({ revokedAt, expiresAt }: ListedToken["record"], now: number): string => {
  if (revokedAt !== undefined) return "revoked"
  return expiresAt !== undefined && expiresAt <= now ? "expired" : "counts"
}

const usersText = (users: TokenUsers): string => {
  if (users === "all") return "all users"
  return "only" in users ? `users ${users.only.join(", ")}` : `users ${users.prefix}…`
}

const expiryText = ({ expiresAt }: ListedToken["record"]): string =>
  expiresAt === undefined ? never : timeText(new Date(expiresAt).toISOString())

const scopesText = ({ scopes }: ListedToken["record"]): string =>
  scopes.length === allScopes.length ? "all scopes" : scopes.join(", ")

const listedText = ({ id, record }: ListedToken, now: number): string =>
  plain(
    `${id}  ${stateOf(record, now).padEnd(7)}  expires ${expiryText(record)}  ${record.name}: ${scopesText(record)}; ${usersText(record.users)}; made by ${record.madeBy}`
  )

const tokenColumns = (now: number): ReadonlyArray<Column<ListedToken>> => [
  { name: "token", cell: ({ id }) => id },
  {
    name: "state",
    cell: ({ record }) => stateOf(record, now),
    colour: ({ record }) => (stateOf(record, now) === "counts" ? "green" : "red")
  },
  { name: "expires at", cell: ({ record }) => expiryText(record) },
  { name: "name", cell: ({ record }) => record.name, mayBeCut: true },
  { name: "scopes", cell: ({ record }) => scopesText(record), mayBeCut: true },
  { name: "users", cell: ({ record }) => usersText(record.users), mayBeCut: true },
  { name: "made by", cell: ({ record }) => record.madeBy, mayBeCut: true }
]

/** Returns a token without the hashes of its secrets, for the list as JSON. */
const listedJson = ({ id, record: { v: _v, secrets, ...rest } }: ListedToken, now: number) => ({
  id,
  state: stateOf({ ...rest, v: 1, secrets }, now),
  ...rest
})

const list = Command.make("list", {}, () =>
  Effect.gen(function* () {
    const { json } = yield* root
    const now = Date.now()
    const terminal = json ? undefined : terminalOfOutput()
    const found = yield* onBroker(listTokens)
    if (terminal !== undefined && found.length > 0) return printed(tableText(tokenColumns(now), found, terminal))
    for (const token of found) printed(json ? JSON.stringify(listedJson(token, now)) : listedText(token, now))
  })
).pipe(Command.withDescription("All tokens with their rights, and whether they count. Secrets are not known"))

const roll = Command.make(
  "roll",
  {
    id: tokenId,
    keepOld: Flag.String("keep-old").pipe(
      Flag.withSchema(checked(isTime)),
      Flag.withDescription("How long the old secret counts beside the new one, like 24h; not at all by default"),
      Flag.withDefault("0s")
    ),
    out
  },
  (given) =>
    Effect.gen(function* () {
      yield* handOut(onBroker(rollToken(given.id, millisecondsIn(given.keepOld) ?? 0)), given.out)
    })
).pipe(
  Command.withDescription("Give a token a new secret, and print it once"),
  Command.withExamples([
    { command: "purchases tokens roll 0a1b2c3d4e5f --keep-old 24h", description: "Callers have a day to change over" }
  ])
)

const revoke = Command.make("revoke", { id: tokenId }, (given) =>
  Effect.gen(function* () {
    yield* onBroker(revokeToken(given.id))
    const { json } = yield* root
    printed(json ? JSON.stringify({ id: given.id, state: "revoked" }) : `${given.id} is revoked`)
  })
).pipe(Command.withDescription("End a token for ever. Edges refuse it at once, and end its feeds"))

export const tokens = Command.make("tokens").pipe(
  Command.withDescription("Tokens of callers, on the broker of NATS_URL: make, list, roll and revoke them"),
  Command.withExamples([{ command: "purchases tokens list", description: "All tokens" }]),
  Command.withSubcommands([create, list, roll, revoke])
)
