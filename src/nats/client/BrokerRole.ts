/**
 * The roles of the programs that use the broker. Each role has a key of its own. The broker allows each role only the
 * subjects of that role.
 */
export const brokerRoles = ["admin", "edge", "worker", "janitor", "judge", "producer", "inspector"] as const

export type BrokerRole = (typeof brokerRoles)[number]

/**
 * The role that reads the state of brokers. The monitor uses the system account of the broker, so the monitor sees no
 * message of the ledger.
 */
export const monitorRole = "monitor"

/**
 * Returns the first token of the subjects on which a role gets answers. A role may listen to answers to its own requests
 * only.
 */
export const inboxPrefixOf = (role: BrokerRole): string => `_INBOX_${role}`
