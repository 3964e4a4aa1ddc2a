import { getHeapStatistics } from "node:v8"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { describe, expect, it } from "vitest"
import { projectRoot } from "../src/harness/system/TestBroker.ts"
import { testSettings } from "../src/harness/system/TestLedger.ts"

/** Starts a process that has no broker to connect to. Returns the output with which it refuses. */
const refusalOf = async (environment: Record<string, string>, ...options: ReadonlyArray<string>) => {
  const started = spawn(join(projectRoot, "node_modules/.bin/node"), [join(projectRoot, "src/main.ts"), ...options], {
    env: { PATH: process.env["PATH"], NATS_URL: "nats://127.0.0.1:1", ...environment },
    stdio: ["ignore", "ignore", "pipe"]
  })
  const [message] = await Promise.all([text(started.stderr), once(started, "exit")])
  return { code: started.exitCode, message }
}

describe("settings", () => {
  it.each([
    ["PORT", "http", "Expected an integer"],
    ["NATS_URL", "nats://a b", "Expected URLs like nats://host:4222"],
    ["PORT", "70000", "Expected a value between 0 and 65535"],
    ["PATH_PREFIX", "ledger", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/ledger/", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/a/../b", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/a%2Fb", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", `/${"a".repeat(200)}`, "Expected a path like /ledger, without a slash at its end"],
    ["PARTITIONS", "0", "Expected a value between 1 and 256"],
    ["ACTOR_IDLE", "soon", "Expected a valid Duration string"],
    ["ACTOR_IDLE", "0 millis", "Expected a duration of at least 1 millis"]
  ])("the setting %s=%s is refused at start, with its name and what is wrong", async (name, value, problem) => {
    expect(await refusalOf({ [name]: value }, "--role", "edge")).toEqual({
      code: 1,
      message: `The setting ${name} is wrong (${value}): ${problem}. docs/configuration.md lists the settings.\n`
    })
  })

  it("settings that contradict each other are refused", async () => {
    expect(await refusalOf({ WORKER_LEASE: "1 second" }, "--role", "worker")).toEqual({
      code: 1,
      message: "WORKER_LEASE must be at least twice WORKER_HEARTBEAT. docs/configuration.md lists the settings.\n"
    })
  })

  it("the settings have the defaults that docs/configuration.md lists", () => {
    const { partitions, pathPrefix, port, actorsResidentMax, natsUrl } = testSettings({})
    expect({ partitions, pathPrefix, port, actorsResidentMax, natsUrl }).toEqual({
      partitions: 8,
      pathPrefix: "",
      port: 8081,
      actorsResidentMax: Math.floor(getHeapStatistics().heap_size_limit / 4_096),
      natsUrl: "nats://127.0.0.1:4222"
    })
  })

  it.each([[["--role", "both"]], [["--roll"]]])("the command line %s is refused with the usage", async (options) => {
    expect(await refusalOf({}, ...options)).toEqual({ code: 1, message: "usage: main.ts --role edge|worker|all\n" })
  })
})
