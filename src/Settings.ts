import { isIP } from "node:net"
import { hostname, totalmem } from "node:os"
import { getHeapStatistics } from "node:v8"
import { Config, ConfigProvider, Duration, Effect, Schema } from "effect"
import { hostNameIn, isLoopback } from "./edge/contract/HostName.ts"
import { limitsDefault, type LimitSettings } from "./edge/limits/CallerLimits.ts"
import { wrongTokensDefault } from "./edge/limits/WrongTokens.ts"
import { connectionsDefault } from "./edge/server/ConnectionBounds.ts"
import { isBrokerAddress, withoutSecrets } from "./nats/client/BrokerAddress.ts"

const itemsOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")

const isHostName = (name: string): boolean => isIP(name) === 6 || hostNameIn(name) === name.toLowerCase()

const isOrigin = (origin: string): boolean =>
  /^https?:/i.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin.toLowerCase()

const wholeNumber = (name: string, fallback: number, minimum: number, maximum: number) =>
  Config.schema(Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), name).pipe(
    Config.withDefault(fallback)
  )

const optionalWholeNumber = (name: string, minimum: number, maximum: number) =>
  Config.schema(Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), name).pipe(
    Config.option
  )

const duration = (name: string, fallback: Duration.Input, minimum: Duration.Input = "1 millis") =>
  Config.schema(
    Schema.DurationFromString.check(
      Schema.makeFilter((value: Duration.Duration) =>
        Duration.isFinite(value) && Duration.isGreaterThanOrEqualTo(value, Duration.fromInputUnsafe(minimum))
          ? undefined
          : `Expected a duration of at least ${String(minimum)}`
      )
    ),
    name
  ).pipe(Config.withDefault(Duration.fromInputUnsafe(fallback)))

/**
 * Reads a list that is separated by commas. Each item of the list has to pass `isItem`. An empty text is read as an
 * empty list.
 */
const list = (name: string, isItem: (item: string) => boolean, expected: string) =>
  Config.schema(
    Schema.String.check(
      Schema.makeFilter((text: string) => (itemsOf(text).every(isItem) ? undefined : `Expected ${expected}`))
    ),
    name
  ).pipe(Config.withDefault(""), Config.map(itemsOf))

/** Reads the path of a file. An empty text counts as no path. */
const file = (name: string) => Config.String(name).pipe(Config.withDefault(""))

/** Returns the names and paths of the files whose path is not empty. */
const given = <Name extends string>(files: Readonly<Record<Name, string>>): Partial<Record<Name, string>> =>
  Object.fromEntries(Object.entries(files).filter(([, path]) => path !== "")) as Partial<Record<Name, string>>

/**
 * The longest path prefix, in characters. Headers carry references that begin with the prefix, and the size of headers
 * is limited.
 */
const pathPrefixLengthMax = 200

/**
 * Returns whether a text is a path prefix that needs no escapes in a URL. No segment of a path prefix may be `.` or
 * `..`.
 */
const isPathPrefix = (prefix: string): boolean =>
  prefix.length <= pathPrefixLengthMax && /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)*$/.test(prefix)

/** Returns whether the keys of an issuer come from a safe place: a file, or a URL at which nobody else can answer. */
const isKeysPlace = (keys: string): boolean => {
  if (!/^[a-z]+:\/\//i.test(keys)) return true
  if (!URL.canParse(keys)) return false
  const { protocol, hostname: host } = new URL(keys)
  return protocol === "https:" || (protocol === "http:" && isLoopback(host))
}

/**
 * The most shards into which the setting JUDGE_SHARDS may divide the users. Each shard of a judge holds all rules in
 * memory.
 */
const shardsMax = 64
/** The least bound in bytes of the input log and of the journal. */
const streamBytesMin = 1024 ** 2
/** The largest value of a setting that limits callers or connections. */
const countMax = 1_000_000_000

/** The memory for this process in bytes: the memory of the machine, or less if a container has a limit. */
const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
/**
 * The most purchase ids in memory by default. An id takes 100 to 150 bytes, so all ids take about an eighth of the
 * memory.
 */
const purchaseIdsDefault = Math.floor(memoryBytes / 1_024)

/**
 * The most actors in memory by default. An actor with a few purchases takes one or two kibibytes of heap, so all actors
 * take at most half of the heap.
 */
const actorsDefault = Math.floor(getHeapStatistics().heap_size_limit / 4_096)

/** Every environment variable of the processes, with its default. docs/configuration.md lists them. */
export const settings = Config.all({
  natsUrl: Config.schema(
    Schema.String.check(
      Schema.makeFilter((urls: string) =>
        isBrokerAddress(urls) ? undefined : "Expected URLs like nats://host:4222 or tls://host:4222"
      )
    ),
    "NATS_URL"
  ).pipe(Config.withDefault("nats://127.0.0.1:4222")),
  brokerFiles: Config.all({
    nkey: file("NATS_NKEY_FILE"),
    creds: file("NATS_CREDS_FILE"),
    authority: file("NATS_CA_FILE"),
    certificate: file("NATS_CERT_FILE"),
    certificateKey: file("NATS_CERT_KEY_FILE")
  }).pipe(Config.map(given)),
  host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1")),
  edgeCertificate: Config.all({ certificate: file("TLS_CERT_FILE"), key: file("TLS_KEY_FILE") }).pipe(
    Config.map(given)
  ),
  insecureOpen: Config.schema(Schema.Literals(["yes", "no"]), "INSECURE_OPEN").pipe(Config.withDefault("no" as const)),
  auth: Config.schema(Schema.Literals(["none", "tokens", "jwt"]), "AUTH").pipe(Config.withDefault("none" as const)),
  auditPosts: Config.Boolean("AUDIT_POSTS").pipe(Config.withDefault(false)),
  jwtKeys: Config.schema(
    Schema.String.check(
      Schema.makeFilter((keys: string) =>
        isKeysPlace(keys) ? undefined : "Expected the path of a file, or a URL with https"
      )
    ),
    "JWT_KEYS"
  ).pipe(Config.withDefault("")),
  jwtIssuer: Config.String("JWT_ISSUER").pipe(Config.withDefault("")),
  jwtAudience: Config.String("JWT_AUDIENCE").pipe(Config.withDefault("")),
  port: wholeNumber("PORT", 8081, 0, 65_535),
  allowedHosts: list("ALLOWED_HOSTS", isHostName, "host names like ledger.example.org, without ports"),
  allowedOrigins: list("ALLOWED_ORIGINS", isOrigin, "origins like https://shop.example.org"),
  compatibleRoutes: Config.Boolean("COMPATIBLE_ROUTES").pipe(Config.withDefault(true)),
  demo: Config.Boolean("DEMO").pipe(Config.withDefault(false)),
  pathPrefix: Config.schema(
    Schema.String.check(
      Schema.makeFilter((prefix: string) =>
        isPathPrefix(prefix) ? undefined : "Expected a path like /ledger, without a slash at its end"
      )
    ),
    "PATH_PREFIX"
  ).pipe(Config.withDefault("")),
  limitPoints: wholeNumber("LIMIT_POINTS", limitsDefault.pointsPerSecond, 1, countMax),
  limitReads: wholeNumber("LIMIT_READS", limitsDefault.reads, 1, countMax),
  limitStores: wholeNumber("LIMIT_STORES", limitsDefault.waitingPosts, 1, countMax),
  limitLineBodies: wholeNumber("LIMIT_LINE_BODIES", limitsDefault.lineBodies, 1, countMax),
  limitFeeds: wholeNumber("LIMIT_FEEDS", limitsDefault.feeds, 1, countMax),
  limitWrongTokens: wholeNumber("LIMIT_WRONG_TOKENS", wrongTokensDefault, 1, countMax),
  connectionsMax: wholeNumber("CONNECTIONS_MAX", connectionsDefault.connectionsMax, 1, countMax),
  connectionsOfAddressMax: wholeNumber(
    "CONNECTIONS_OF_ADDRESS_MAX",
    connectionsDefault.connectionsOfAddressMax,
    1,
    countMax
  ),
  metricsPort: wholeNumber("METRICS_PORT", 0, 0, 65_535),
  partitions: wholeNumber("PARTITIONS", 8, 1, 256),
  /** The number of shards of a new stream of alerts; none for one shard, or for the number that is stored. */
  judgeShards: optionalWholeNumber("JUDGE_SHARDS", 1, shardsMax),
  /** The most bytes of the journal; none for a journal without a bound, or for the bound that the journal has. */
  journalBytesMax: optionalWholeNumber("JOURNAL_BYTES_MAX", streamBytesMin, Number.MAX_SAFE_INTEGER),
  replicas: wholeNumber("REPLICAS", 1, 1, 5),
  duplicateWindow: duration("DUPLICATE_WINDOW", "2 minutes"),
  inputBytesMax: wholeNumber("INPUT_BYTES_MAX", 16 * 1024 ** 3, streamBytesMin, Number.MAX_SAFE_INTEGER),
  inputRetention: duration("INPUT_RETENTION", "1 hour", "0 millis"),
  alertRetention: duration("ALERT_RETENTION", "90 days"),
  janitorInterval: duration("JANITOR_INTERVAL", "1 minute"),
  actorsResidentMax: wholeNumber("ACTORS_RESIDENT_MAX", actorsDefault, 1, 10_000_000),
  purchaseIdsResidentMax: wholeNumber("PURCHASE_IDS_RESIDENT_MAX", purchaseIdsDefault, 1, 1_000_000_000),
  actorIdle: duration("ACTOR_IDLE", "2 minutes"),
  workerId: Config.String("WORKER_ID").pipe(Config.withDefault(`${hostname()}-${process.pid}`)),
  workerHeartbeat: duration("WORKER_HEARTBEAT", "1 second"),
  workerLease: duration("WORKER_LEASE", "3 seconds"),
  judgeNice: wholeNumber("JUDGE_NICE", 10, 0, 19),
  tracesUrl: Config.schema(
    Schema.String.check(
      Schema.makeFilter((url: string) =>
        url === "" || /^https?:$/.test(URL.parse(url)?.protocol ?? "")
          ? undefined
          : "Expected a URL like http://127.0.0.1:4318/v1/traces"
      )
    ),
    "TRACES_URL"
  ).pipe(Config.withDefault("")),
  tracesShare: Config.schema(
    Schema.NumberFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    "TRACES_SHARE"
  ).pipe(Config.withDefault(0.01)),
  logLevel: Config.LogLevel("LOG_LEVEL").pipe(Config.withDefault("Info")),
  /**
   * Only for tests: the name of a step, and how often the worker reaches the step before it kills or freezes itself.
   */
  testCrashPoint: Config.String("TEST_CRASH_POINT").pipe(Config.option),
  /**
   * Only for tests: the number of revisions of a partition after which the worker writes the heads of the partition.
   */
  testHeadsRevisions: Config.schema(
    Schema.NumberFromString.check(Schema.isInt(), Schema.isGreaterThan(0)),
    "TEST_HEADS_REVISIONS"
  ).pipe(Config.option),
  /** Only for tests: whether webhooks may have http, any port, and addresses of this machine. */
  testWebhookLoopback: Config.Boolean("TEST_WEBHOOK_LOOPBACK").pipe(Config.withDefault(false))
})

export type Settings = Config.Success<typeof settings>

/** Returns the bounds of each caller of an edge. */
export const callerLimitsOf = (settings: Settings): LimitSettings => ({
  pointsPerSecond: settings.limitPoints,
  reads: settings.limitReads,
  lineBodies: settings.limitLineBodies,
  feeds: settings.limitFeeds,
  waitingPosts: settings.limitStores
})

/** The failure of a process that does not start because a setting is invalid. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  problem: Schema.String
}) {
  override get message() {
    return `${this.problem}. docs/configuration.md lists the settings.`
  }
}

const invalid = (error: Config.ConfigError) => {
  const [problem = "", place = ""] = error.cause.message.split("\n  at ")
  const name = place.replaceAll(/[^A-Z_]/g, "")
  const text = process.env[name] ?? ""
  const value = name === "NATS_URL" ? withoutSecrets(text) : text
  return new SettingInvalid({ problem: `The setting ${name} is wrong (${value}): ${problem}` })
}

/**
 * Fails for an edge that other machines can reach and that asks for no token, unless the operator has set
 * `INSECURE_OPEN`.
 */
export const refuseOpenEdge = ({ host, auth, insecureOpen }: Settings): Effect.Effect<void, SettingInvalid> =>
  isLoopback(host) || auth !== "none" || insecureOpen === "yes"
    ? Effect.void
    : Effect.fail(
        new SettingInvalid({
          problem: `The setting HOST is ${host === "" ? "empty" : host}, so other machines can reach the edge, and whoever reaches it reads and stores for every user. Set AUTH=tokens, so that callers need a token, or HOST=127.0.0.1. Or set INSECURE_OPEN=yes if only callers whom you trust can reach it`
        })
      )

/**
 * Reads the settings of this process from its environment. If a setting is invalid, fails with `SettingInvalid`, which
 * names the setting and the value.
 */
export const readEnvironment: Effect.Effect<Settings, SettingInvalid> = Effect.suspend(() =>
  settings.parse(ConfigProvider.fromEnv())
).pipe(
  Effect.mapError(invalid),
  Effect.filterOrFail(
    ({ edgeCertificate: { certificate, key } }) => (certificate === undefined) === (key === undefined),
    () => new SettingInvalid({ problem: "Set both TLS_CERT_FILE and TLS_KEY_FILE, or neither" })
  ),
  Effect.filterOrFail(
    ({ workerHeartbeat, workerLease }) => Duration.toMillis(workerLease) >= 2 * Duration.toMillis(workerHeartbeat),
    () => new SettingInvalid({ problem: "WORKER_LEASE must be at least twice WORKER_HEARTBEAT" })
  ),
  Effect.filterOrFail(
    ({ auth, jwtKeys, jwtIssuer, jwtAudience }) => auth !== "jwt" || ![jwtKeys, jwtIssuer, jwtAudience].includes(""),
    () => new SettingInvalid({ problem: "AUTH=jwt needs JWT_KEYS, JWT_ISSUER and JWT_AUDIENCE" })
  )
)
