import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { freePort, projectRoot } from "../../../src/harness/system/TestBroker.ts"
import type { Case } from "../Case.ts"
import { started, stopped } from "../Ending.ts"

const execute = promisify(execFile)

/** Returns the settings of an installation with ports, data and logs of its own. */
const installation = async () => {
  const { NATS_URL: _url, ...environment } = process.env
  const directory = mkdtempSync(join(tmpdir(), "purchase-ledger-start-"))
  const ports = { PORT: await freePort(), NATS_PORT: await freePort() }
  const numbers = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]))
  const env = { ...environment, ...numbers, DATA_DIR: directory }
  const run = (script: string) => execute(join(projectRoot, script), { env, cwd: projectRoot })
  return {
    start: async (): Promise<number> => {
      const began = performance.now()
      await run("start.sh")
      return (performance.now() - began) / 1_000
    },
    halt: () => run("scripts/stop.sh"),
    stop: async () => {
      await run("scripts/stop.sh")
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** Measures the time until `./start.sh` is ready: on an empty ledger, and again on the ledger of the first start. */
export const start: Case = {
  name: "start",
  about: "./start.sh until ready, with what is installed: on an empty directory, and again",
  isLong: false,
  run: async ({ progress }) => {
    const one = await started(installation)
    progress.show("first start")
    const first = await one.start()
    await one.halt()
    progress.show("second start")
    const again = await one.start()
    await stopped(one)
    return {
      measurements: [
        { name: "start, empty", unit: "s", value: first },
        { name: "start, again", unit: "s", value: again }
      ],
      wrong: [],
      notes: []
    }
  }
}
