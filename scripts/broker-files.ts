import { renameSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { clusterConfiguration, keyNames, usersConfiguration } from "../src/nats/BrokerPermissions.ts"
import { ensureKeys, ensureRoutePassword } from "../src/nats/client/BrokerKeys.ts"

const usage = `usage: node scripts/broker-files.ts --directory DIRECTORY [--routes PORT,PORT,PORT]

Makes the missing keys of the broker's users in DIRECTORY, and writes DIRECTORY/broker.conf with the users and
their permissions. users.conf has the users alone, for a broker with its own file. Existing keys stay. Only the owner may read the files. With --routes, the file is for the
brokers of a cluster on this machine, which reach each other at these ports.`

const { values } = parseArgs({
  options: { directory: { type: "string" }, routes: { type: "string" }, help: { type: "boolean", default: false } }
})

const replaceFile = (path: string, text: string): void => {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

const write = (directory: string, routes: string | undefined): void => {
  const users = usersConfiguration(ensureKeys(directory, keyNames))
  const cluster =
    routes === undefined
      ? ""
      : clusterConfiguration({ password: ensureRoutePassword(directory), ports: routes.split(",").map(Number) })
  const path = join(directory, "broker.conf")
  replaceFile(join(directory, "users.conf"), users)
  const root = fileURLToPath(new URL("../nats.conf", import.meta.url))
  const text = [
    "# Made by scripts/broker-files.ts at each start. Change src/nats/BrokerPermissions.ts or nats.conf instead.",
    `include ${JSON.stringify(relative(dirname(path), root))}`,
    users + cluster
  ].join("\n")
  replaceFile(path, text)
}

if (values.help || values.directory === undefined) {
  console.log(usage)
  process.exit(values.help ? 0 : 2)
}
write(values.directory, values.routes)
