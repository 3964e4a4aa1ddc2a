import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import { packClient } from "./ClientPackage.ts"

const usage = `usage: npm run client

Compiles src/client into .data/client, and packs it as purchase-ledger-client. Prints the path of the tarball.`

if (process.argv.length > 2) {
  process.stdout.write(`${usage}\n`)
  process.exit(process.argv.includes("--help") ? 0 : 2)
}
const tarball = await packClient(fileURLToPath(new URL("../../.data/client", import.meta.url)))
process.stdout.write(`${relative(process.cwd(), tarball)}\n`)
