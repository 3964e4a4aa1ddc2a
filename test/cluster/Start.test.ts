import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { freePort, projectRoot, TestBroker } from "../../src/harness/system/TestBroker.ts"

const startMillisecondsMax = 60_000

describe("start.sh", () => {
  let directory: string
  let ports: Record<string, string>
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "start-"))
    const names = ["PORT", "NATS_PORT"]
    const free = await Promise.all(names.map(freePort))
    ports = Object.fromEntries(names.map((name, index) => [name, String(free[index])]))
  })
  afterEach(async () => {
    await run("scripts/stop.sh")
    rmSync(directory, { recursive: true })
  })

  /** Runs a script of the project, and gives its status and all that it printed. */
  const run = async (script: string, environment: Record<string, string> = {}) => {
    const { NATS_URL: _url, HOST: _host, ...inherited } = process.env
    const child = spawn(join(projectRoot, script), [], {
      env: { ...inherited, ...ports, DATA_DIR: directory, ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")])
    return { code: child.exitCode, output: out + err }
  }

  const filesIn = (folder: string): ReadonlyArray<string> =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name))

  /** Returns the files and folders that users other than the owner may read, write or enter. */
  const openToOthers = () =>
    filesIn(directory).filter((path) => {
      const { mode } = lstatSync(path)
      return !lstatSync(path).isSymbolicLink() && (mode & 0o077) !== 0
    })

  it(
    "start.sh refuses to open the edge to other machines, says what to set, and leaves nothing running",
    async () => {
      const { code, output } = await run("start.sh", { HOST: "0.0.0.0" })
      expect(code).toBe(1)
      expect(output).toContain("The setting HOST is 0.0.0.0, so other machines can reach the edge")
      expect(output).toContain("Set AUTH=tokens, so that callers need a token, or HOST=127.0.0.1")
      expect((await run("scripts/stop.sh")).output).toBe("Nothing is running.\n")
    },
    startMillisecondsMax
  )

  it(
    "start.sh opens the edge if INSECURE_OPEN allows it, and lets no other user read its files",
    async () => {
      // An earlier version made this folder accessible for all users.
      mkdirSync(join(directory, "run"))
      chmodSync(join(directory, "run"), 0o755)
      const { code, output } = await run("start.sh", { HOST: "0.0.0.0", INSECURE_OPEN: "yes" })
      expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("Ready.") })
      const answer = await fetch(`http://localhost:${ports["PORT"]}/livez`)
      expect(answer.status).toBe(200)
      expect(openToOthers()).toEqual([])
      // Each role has a key. The broker of start.sh answers nobody without a key, and has no port for monitoring.
      expect(filesIn(join(directory, "keys")).filter((path) => path.endsWith(".nk"))).toHaveLength(8)
      expect(readFileSync(join(directory, "logs/broker.log"), "utf8")).not.toMatch(/ Violation |http monitor/)
    },
    startMillisecondsMax
  )

  it(
    "start.sh shows and keeps no password of NATS_URL",
    async () => {
      const secret = "s3cret/p@ss"
      const broker = await TestBroker.start({ hasUsers: false, arguments: ["--user", "ledger", "--pass", secret] })
      const url = broker.url.replace("//", `//ledger:${encodeURIComponent(secret)}@`)
      const started = await run("start.sh", { NATS_URL: url })
      expect(started).toEqual({ code: 0, output: expect.stringContaining(`broker   ${broker.url}`) })
      await run("scripts/stop.sh")
      // The password is not percent-encoded, as a URL requires.
      const wrong = await run("start.sh", { NATS_URL: url.replace(encodeURIComponent(secret), secret) })
      expect(wrong.code).toBe(1)
      const texts = filesIn(directory)
        .filter((path) => lstatSync(path).isFile())
        .map((path) => readFileSync(path, "utf8"))
      for (const shown of [started.output, wrong.output, ...texts]) {
        expect(shown).not.toContain("s3cret")
        expect(shown).not.toContain("p@ss")
        expect(shown).not.toContain("p%40ss")
      }
      await broker.stop()
    },
    startMillisecondsMax
  )
})
