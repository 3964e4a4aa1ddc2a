import {
  auditPrefix,
  auditStream,
  alertFilter,
  alertsPrefix,
  alertsStream,
  formerLedgerStream,
  headsPrefix,
  headsStream,
  inputStream,
  inspectionFilter,
  journalPrefix,
  judgeSignPrefix,
  ruleCountPrefix,
  journalStream,
  noticePrefix,
  sendFilter,
  webhookFilter,
  tokensPrefix,
  tokensStream,
  workersPrefix,
  workersStream
} from "../protocol/Subject.ts"
import { type BrokerRole, brokerRoles, inboxPrefixOf, monitorRole } from "./client/BrokerRole.ts"

/**
 * The subjects to which a role may publish, and the subjects that the role may receive. The broker refuses to a role
 * all subjects that are not in `publish` or `subscribe`.
 */
export interface RolePermissions {
  readonly purpose: string
  readonly publish: ReadonlyArray<string>
  readonly subscribe: ReadonlyArray<string>
}

const api = "$JS.API."
/** The name of the only consumer of the input log that the role `inspector` may make. */
export const auditConsumer = "audit"
const infoOf = (...streams: ReadonlyArray<string>) => streams.map((stream) => `${api}STREAM.INFO.${stream}`)
const messagesOf = (...streams: ReadonlyArray<string>) => streams.map((stream) => `${api}STREAM.MSG.GET.${stream}`)
/**
 * Returns the subjects of requests that read from a replica a message by its sequence, or the newest message of a key.
 */
const replicaReadsOf = (...streams: ReadonlyArray<string>) =>
  streams.flatMap((stream) => [`${api}DIRECT.GET.${stream}`, `${api}DIRECT.GET.${stream}.>`])
/**
 * Returns the subjects of requests for a consumer without acknowledgements, which delivers the messages that match a
 * filter.
 */
const deliveriesOf = (stream: string, filter: string) => [
  `${api}CONSUMER.CREATE.${stream}.*.${filter}`,
  `$JS.FC.${stream}.>`
]

/**
 * The subjects of the requests with which every process checks which streams exist, with the stream of an earlier
 * layout.
 */
const streamChecks = infoOf(
  inputStream,
  journalStream,
  headsStream,
  workersStream,
  alertsStream,
  tokensStream,
  auditStream,
  formerLedgerStream
)

/**
 * The permissions of each role. The configuration of the broker and docs/broker-roles.md are made from
 * `brokerPermissions`.
 */
export const brokerPermissions: Readonly<Record<BrokerRole, RolePermissions>> = {
  admin: {
    purpose: "Creates and changes streams: `main.ts --role setup`, upgrades, backups. Writes the tokens of callers.",
    publish: [">"],
    subscribe: [">"]
  },
  edge: {
    purpose: "Stores purchases, asks the owners of accounts, and reads the journal.",
    publish: [
      "purchases.*.*",
      "query.*",
      `${journalPrefix}replayed.*.*`,
      `${journalPrefix}rules.>`,
      `${auditPrefix}*`,
      webhookFilter,
      sendFilter,
      ...streamChecks,
      ...messagesOf(inputStream, journalStream, workersStream, alertsStream, tokensStream, auditStream),
      ...replicaReadsOf(journalStream, alertsStream, tokensStream),
      ...deliveriesOf(journalStream, `${journalPrefix}>`),
      ...deliveriesOf(alertsStream, `${alertsPrefix}>`),
      ...deliveriesOf(tokensStream, `${tokensPrefix}>`),
      `${api}CONSUMER.LIST.${inputStream}`,
      // An edge that removes a webhook purges the webhook's delivery state and dead letters.
      `${api}STREAM.PURGE.${alertsStream}`
    ],
    subscribe: [`${noticePrefix}*`, `${tokensPrefix}>`, `${ruleCountPrefix}*`]
  },
  worker: {
    purpose: "Applies purchases: reads the input log, writes commits, answers questions, sends notices.",
    publish: [
      `${journalPrefix}commit.*`,
      `${journalPrefix}segment.*`,
      `${journalPrefix}rejected.*.*`,
      `${headsPrefix}>`,
      `${workersPrefix}*`,
      `${noticePrefix}*`,
      ...streamChecks,
      ...messagesOf(inputStream, journalStream, headsStream, workersStream),
      ...replicaReadsOf(journalStream, headsStream),
      // A worker purges old heads, because the heads can be made again from the journal.
      `${api}STREAM.PURGE.${headsStream}`,
      `${api}CONSUMER.CREATE.${inputStream}.*.purchases.*.*`,
      `${api}CONSUMER.NAMES.${inputStream}`,
      `${api}CONSUMER.LIST.${inputStream}`,
      `${api}CONSUMER.DELETE.${inputStream}.*`,
      `${api}CONSUMER.MSG.NEXT.${inputStream}.*`,
      `$JS.ACK.${inputStream}.>`,
      `$JS.ACK.*.*.${inputStream}.>`,
      // A worker answers the questions of the roles `edge`, `inspector` and `admin`.
      ...(["edge", "inspector", "admin"] as const).map((asking) => `${inboxPrefixOf(asking)}.>`)
    ],
    subscribe: ["query.*", inspectionFilter, `${workersPrefix}*`, "$SRV.>"]
  },
  janitor: {
    purpose: "Purges applied input. A worker opens this connection only to purge.",
    publish: [`${api}STREAM.PURGE.${inputStream}`],
    subscribe: []
  },
  judge: {
    purpose: "Reads the journal, and writes the alerts of rules.",
    publish: [
      `${alertsPrefix}>`,
      `${judgeSignPrefix}*`,
      `${ruleCountPrefix}*`,
      ...streamChecks,
      ...messagesOf(journalStream, alertsStream),
      ...replicaReadsOf(journalStream, alertsStream),
      ...deliveriesOf(journalStream, `${journalPrefix}>`),
      ...deliveriesOf(alertsStream, `${alertsPrefix}>`),
      `${api}CONSUMER.MSG.NEXT.${journalStream}.*`,
      // A judge purges the older dead letters of a webhook, and keeps the newest dead letters.
      `${api}STREAM.PURGE.${alertsStream}`,
      // A judge answers edges that ask for a test delivery, or for a dead letter.
      `${inboxPrefixOf("edge")}.>`
    ],
    subscribe: [`${judgeSignPrefix}*`, sendFilter]
  },
  producer: {
    purpose: "Another program that stores purchases past HTTP.",
    publish: ["purchases.*"],
    subscribe: []
  },
  inspector: {
    purpose: "A person with the nats CLI, or an audit of the ledger: looks, and changes nothing.",
    publish: [
      inspectionFilter,
      "$SRV.>",
      `${api}INFO`,
      `${api}STREAM.NAMES`,
      `${api}STREAM.LIST`,
      ...streamChecks,
      ...messagesOf(inputStream, journalStream, headsStream, workersStream),
      ...replicaReadsOf(journalStream, headsStream, workersStream),
      // An inspector may read only the alerts of the stream of alerts, because the stream also has the secrets of
      // webhooks.
      `${api}DIRECT.GET.${alertsStream}.${alertFilter}`,
      `${api}CONSUMER.NAMES.*`,
      `${api}CONSUMER.LIST.*`,
      `${api}CONSUMER.INFO.*.*`,
      ...deliveriesOf(journalStream, `${journalPrefix}>`),
      ...deliveriesOf(alertsStream, alertFilter),
      // The audit of the ledger reads the input log with a consumer of one name. An inspector who could name other
      // consumers of the input log could change those of workers.
      `${api}CONSUMER.CREATE.${inputStream}.${auditConsumer}.purchases.*.*`,
      `${api}CONSUMER.MSG.NEXT.${inputStream}.${auditConsumer}`,
      `${api}CONSUMER.DELETE.${inputStream}.${auditConsumer}`,
      // An inspector may delete consumers, because the nats CLI deletes the consumer that it has made for a read. If an
      // inspector deletes the consumer of an edge, the edge makes another consumer.
      ...[journalStream, alertsStream].flatMap((stream) => [
        `${api}CONSUMER.MSG.NEXT.${stream}.*`,
        `${api}CONSUMER.DELETE.${stream}.*`
      ])
    ],
    subscribe: [`${journalPrefix}>`, `${workersPrefix}*`, alertFilter, "purchases.>", `${noticePrefix}*`]
  }
}

const quoted = (subjects: ReadonlyArray<string>): string => subjects.map((subject) => `"${subject}"`).join(", ")

/** Returns all subjects that a role may receive. Every role may receive the answers to its own requests. */
export const subscriptionsOf = (role: BrokerRole): ReadonlyArray<string> => [
  `${inboxPrefixOf(role)}.>`,
  ...brokerPermissions[role].subscribe
]

const userOf = (role: BrokerRole, publicKey: string): string =>
  `  { nkey: ${publicKey}, permissions: {\n` +
  `    publish: [${quoted(brokerPermissions[role].publish)}]\n` +
  `    subscribe: [${quoted(subscriptionsOf(role))}]\n  } } # ${role}`

/** The names of all keys that an installation has. */
export const keyNames: ReadonlyArray<string> = [...brokerRoles, monitorRole]

/**
 * Returns the part of the broker's configuration that names the broker's users. Roles without a key in `publicKeys` may
 * not connect. The users of the ledger are in the broker's default account, which also holds the streams of
 * installations without users.
 */
export const usersConfiguration = (publicKeys: ReadonlyMap<string, string>): string => {
  const users = brokerRoles.flatMap((role) => {
    const key = publicKeys.get(role)
    return key === undefined ? [] : [userOf(role, key)]
  })
  const monitor = publicKeys.get(monitorRole)
  return [
    "authorization { users = [",
    ...users,
    "] }",
    `accounts { $SYS { users = [${monitor === undefined ? "" : ` { nkey: ${monitor} } `}] } } # ${monitorRole}`,
    ""
  ].join("\n")
}

/** The password and the ports of a cluster of brokers on this machine. */
export interface LocalCluster {
  readonly password: string
  /** The ports on which the brokers connect to each other. */
  readonly ports: ReadonlyArray<number>
}

/**
 * Returns the part of the configuration with which the brokers of a cluster find each other. A broker gets its own port
 * in the variable NATS_ROUTE_PORT. The password of the cluster is in the configuration file, because other users of the
 * machine can read the arguments of a command.
 */
export const clusterConfiguration = ({ password, ports }: LocalCluster): string => {
  const routes = ports.map((port) => `"nats://ledger:${password}@127.0.0.1:${port}"`)
  return [
    "cluster {",
    "  name: purchase-ledger",
    "  host: 127.0.0.1",
    "  port: $NATS_ROUTE_PORT",
    `  authorization { user: ledger, password: "${password}" }`,
    `  routes: [${routes.join(", ")}]`,
    "}",
    ""
  ].join("\n")
}

/** Returns the permissions as a table in Markdown, for docs/broker-roles.md. */
export const permissionsTable = (): string => {
  const cell = (subjects: ReadonlyArray<string>) => subjects.map((subject) => `\`${subject}\``).join(" ") || "nothing"
  return [
    "| role | purpose | may publish | may receive |",
    "|---|---|---|---|",
    ...brokerRoles.map(
      (role) =>
        `| ${role} | ${brokerPermissions[role].purpose} | ${cell(brokerPermissions[role].publish)} | ${cell(subscriptionsOf(role))} |`
    )
  ].join("\n")
}
