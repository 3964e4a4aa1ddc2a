import { spawn, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { connect, nkeyAuthenticator } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { needs } from "../../src/harness/system/Requirement.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { compileCache, freePort, projectRoot, TestBroker, until } from "../../src/harness/system/TestBroker.ts"
import { type Command, commandsOf, missing } from "./Commands.ts"
import { runDocuments } from "./Documents.ts"
import { type Place, ruleOf, rules } from "./CommandRules.ts"

const commands = runDocuments.map(({ path, text }) => ({ path, found: commandsOf(text) }))

/** How long a command may take, in milliseconds. */
const commandMillisecondsMax = 100_000

const natsCli = spawnSync(join(projectRoot, "scripts/nats.sh"), ["cli"], { encoding: "utf8" }).stdout.trim()

const natsNeeded = {
  tests: "of the documents' nats commands",
  missing: natsCli === "" ? "no nats command line tool" : undefined,
  remedy: "Run scripts/nats.sh cli: it fetches the tool, or says why it cannot."
}

interface Ended {
  /** The exit code; `undefined` if a signal ended the command. */
  readonly code: number | null
  readonly output: string
}

let environment: Record<string, string>
let place: Place
/** How the commands ended that run only at their first place, by the text of the command. */
const ranOnce = new Map<string, Ended>()
let emptyBroker: TestBroker

/** Runs a command in the shell. Ends a command without an end when its output is enough. */
const run = (text: string, isEnough: (output: string) => boolean = () => false): Promise<Ended> =>
  new Promise((resolve) => {
    // curl reports success for an answer of 404.
    const script = `
      curl() { command curl --fail-with-body -sS "$@"; }
      ${text}`
    const child = spawn("bash", ["-eo", "pipefail", "-c", script], {
      cwd: projectRoot,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true
    })
    let output = ""
    let isEnded = false
    const end = () => {
      isEnded = true
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM")
    }
    const timer = setTimeout(end, commandMillisecondsMax)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString()
        if (!isEnded && isEnough(output)) end()
      })
    }
    child.once("close", (code) => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), "readme-"))
  const [port, natsPort] = await Promise.all([freePort(), freePort()])
  emptyBroker = await TestBroker.start()
  place = { port, directory, rejected: "", emptyBroker: emptyBroker.url }
  environment = {
    HOME: process.env["HOME"] ?? "",
    NODE_COMPILE_CACHE: compileCache,
    PATH: [join(projectRoot, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
    PORT: String(port),
    NATS_PORT: String(natsPort),
    DATA_DIR: join(directory, "data"),
    PURCHASES_URL: `http://127.0.0.1:${port}`
  }
})
afterAll(async () => {
  await run("scripts/stop.sh")
  await emptyBroker.stop()
  rmSync(place.directory, { recursive: true })
})

/** The rejected record that some commands need, made from a message that cannot be applied. */
const rejectedRecord = async (): Promise<string> => {
  const seed = readFileSync(join(environment["DATA_DIR"] ?? "", "keys/admin.nk"))
  const client = await connect({
    servers: `nats://127.0.0.1:${environment["NATS_PORT"]}`,
    authenticator: nkeyAuthenticator(seed.subarray(0, seed.indexOf("\n")))
  })
  const message = inputMessage([sold("bob", "wrong", { valueCents: -5 })])
  const { seq } = await (await client.jetstream()).publish("purchases.0.=many", message)
  await client.close()
  const at = `${environment["PURCHASES_URL"]}/rejected/${seq}/0`
  await until("the record is there", async () => (await fetch(at)).ok)
  return `${seq}/0`
}

const attempt = async ({ text, claims }: Command): Promise<void> => {
  const rule = ruleOf(text)
  if (rule?.isSkipped === true) return
  if (rule?.needsRejected === true && place.rejected === "") place = { ...place, rejected: await rejectedRecord() }
  const meant = (rule?.run?.(text, place) ?? text).replaceAll("localhost:8081", `localhost:${place.port}`)
  if (rule?.isEndless === true) {
    const { code, output } = await run(meant, (printed) => printed !== "" && missing(claims, printed).length === 0)
    expect({ meant, code, missing: missing(claims, output) }, output).toEqual({ meant, code: null, missing: [] })
    return
  }
  const { code, output } = (rule?.isRunOnce === true ? ranOnce.get(meant) : undefined) ?? (await run(meant))
  if (rule?.isRunOnce === true) ranOnce.set(meant, { code, output })
  expect({ meant, code, missing: missing(claims, output) }, output).toEqual({ meant, code: 0, missing: [] })
}

for (const { path, found } of commands) {
  describe.runIf(found.length > 0)(path, () => {
    for (const command of found) {
      const needed = command.text.startsWith("scripts/nats ") ? needs(natsNeeded) : {}
      it(`${command.line}: ${command.text}`, { ...needed, timeout: commandMillisecondsMax + 10_000 }, () =>
        attempt(command)
      )
    }
  })
}

describe("the rules of commands", () => {
  it("each rule in CommandRules.ts is for a command that a document has", () => {
    const texts = commands.flatMap(({ found }) => found.map(({ text }) => text))
    const unused = rules.filter((rule) => !texts.some((text) => ruleOf(text) === rule))
    expect(unused.map(({ matches }) => matches.source)).toEqual([])
  })
})
