import { readFileSync } from "node:fs"
import { join } from "node:path"
import { connect, type ConnectionOptions, type NatsConnection, nkeyAuthenticator } from "nats"
import { keyNames, usersConfiguration } from "../../nats/BrokerPermissions.ts"
import { closeAbandonedDials } from "../../nats/client/AbandonedDial.ts"
import { ensureKeys, keyFile } from "../../nats/client/BrokerKeys.ts"
import { type BrokerRole, inboxPrefixOf } from "../../nats/client/BrokerRole.ts"

/**
 * The directory of the keys of all test brokers. The keys are made once for a checkout, and git ignores the directory.
 */
const directory = new URL("../../../.data/test-keys", import.meta.url).pathname

/** The value of NATS_NKEY_FILE with which processes of tests connect to test brokers. */
export const testKeyFile = join(directory, "{role}.nk")

/** Returns the configuration of the users of test brokers. */
export const testUsers = (): string => usersConfiguration(ensureKeys(directory, keyNames))

/** Connects to test brokers in a role, without the code under test. */
export const connectAs = (role: BrokerRole, urls: string, options: ConnectionOptions = {}): Promise<NatsConnection> => {
  ensureKeys(directory, keyNames)
  closeAbandonedDials()
  const seed = new TextEncoder().encode(readFileSync(keyFile(directory, role), "utf8").trim())
  return connect({
    servers: urls.split(","),
    authenticator: nkeyAuthenticator(seed),
    inboxPrefix: inboxPrefixOf(role),
    ...options
  })
}
