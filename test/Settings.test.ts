import { getHeapStatistics } from "node:v8"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { compileCache, projectRoot } from "../src/harness/system/TestBroker.ts"
import { refuseOpenEdge } from "../src/Settings.ts"
import { testSettings } from "../src/harness/system/TestLedger.ts"

/** Starts a process that has no broker to connect to. Returns the output with which the process refuses to start. */
const refusalOf = async (environment: Record<string, string>, ...options: ReadonlyArray<string>) => {
  const started = spawn(join(projectRoot, "node_modules/.bin/node"), [join(projectRoot, "src/main.ts"), ...options], {
    env: {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: compileCache,
      NATS_URL: "nats://127.0.0.1:1",
      ...environment
    },
    stdio: ["ignore", "ignore", "pipe"]
  })
  const [message] = await Promise.all([text(started.stderr), once(started, "exit")])
  return { code: started.exitCode, message }
}

describe("settings", () => {
  it.each([
    ["PORT", "http", "Expected an integer"],
    ["NATS_URL", "nats://a b", "Expected URLs like nats://host:4222 or tls://host:4222"],
    ["PORT", "70000", "Expected a value between 0 and 65535"],
    ["PATH_PREFIX", "ledger", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/ledger/", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/a/../b", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", "/a%2Fb", "Expected a path like /ledger, without a slash at its end"],
    ["PATH_PREFIX", `/${"a".repeat(200)}`, "Expected a path like /ledger, without a slash at its end"],
    ["PARTITIONS", "0", "Expected a value between 1 and 256"],
    ["INSECURE_OPEN", "true", 'Expected "yes" | "no"'],
    ["AUTH", "password", 'Expected "none" | "tokens" | "jwt"'],
    ["JWT_KEYS", "http://issuer.example/keys", "Expected the path of a file, or a URL with https"],
    ["COMPATIBLE_ROUTES", "maybe", 'Expected "true" | "yes" | "on" | "1" | "y" | "false" | "no" | "off" | "0" | "n"'],
    ["ALLOWED_HOSTS", "ledger.example:8081", "Expected host names like ledger.example.org, without ports"],
    ["ALLOWED_HOSTS", "http://ledger.example", "Expected host names like ledger.example.org, without ports"],
    ["ALLOWED_ORIGINS", "shop.example", "Expected origins like https://shop.example.org"],
    ["ALLOWED_ORIGINS", "https://shop.example/", "Expected origins like https://shop.example.org"],
    ["ALLOWED_ORIGINS", "null", "Expected origins like https://shop.example.org"],
    ["ACTOR_IDLE", "soon", "Expected a valid Duration string"],
    ["ACTOR_IDLE", "0 millis", "Expected a duration of at least 1 millis"]
  ])("the setting %s=%s is refused at start, with its name and its mistake", async (name, value, problem) => {
    expect(await refusalOf({ [name]: value }, "--role", "edge")).toEqual({
      code: 1,
      message: `The setting ${name} is wrong (${value}): ${problem}. docs/configuration.md lists the settings.\n`
    })
  })

  it.each([
    ["http://ann:secret@a b", "…@a b"],
    ["nats://ann:sec/ret@a b", "…@a b"],
    ["nats://ann:secret@a,nats://bob:secret@b c", "…@b c"],
    ["nats://ann:secret", "nats://ann:…"],
    ["https://ann:secret@a:4222", "…@a:4222"],
    ["nats://ann:%zzsecret@a:4222", "…@a:4222"],
    ["nats://a:4222,nats://ann:secret", "nats://a:4222,nats://ann:…"]
  ])("a wrong NATS_URL %s is shown without its secrets", async (NATS_URL, shown) => {
    const { code, message } = await refusalOf({ NATS_URL }, "--role", "worker")
    expect(code).toBe(1)
    expect(message).toContain(`The setting NATS_URL is wrong (${shown}): Expected URLs`)
    expect(message).not.toContain("ret")
  })

  it("an edge does not start at a HOST that other machines reach, and says which settings allow it", async () => {
    expect(await refusalOf({ HOST: "0.0.0.0" }, "--role", "edge")).toEqual({
      code: 1,
      message:
        "The setting HOST is 0.0.0.0, so other machines can reach the edge, and whoever reaches it reads and stores for every user. Set AUTH=tokens, so that callers need a token, or HOST=127.0.0.1. Or set INSECURE_OPEN=yes if only callers whom you trust can reach it. docs/configuration.md lists the settings.\n"
    })
    expect((await refusalOf({ HOST: "192.0.2.7" }, "--role", "all")).code).toBe(1)
  })

  const isRefused = (environment: Record<string, string>) =>
    Exit.isFailure(Effect.runSyncExit(refuseOpenEdge(testSettings(environment))))

  it.each([
    "0.0.0.0",
    "::",
    "0",
    "192.0.2.7",
    "ledger.example",
    "localhost.example",
    "127.0.0.1.example",
    "::ffff:127.0.0.1"
  ])("the host %s is open to other machines, so it needs INSECURE_OPEN=yes", (HOST) => {
    expect(isRefused({ HOST })).toBe(true)
    expect(isRefused({ HOST, INSECURE_OPEN: "no" })).toBe(true)
    expect(isRefused({ HOST, INSECURE_OPEN: "yes" })).toBe(false)
  })

  it.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("the loopback host %s needs no other setting", (HOST) => {
    expect(isRefused({ HOST })).toBe(false)
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
    expect(await refusalOf({}, ...options)).toEqual({
      code: 1,
      message: "usage: main.ts --role edge|worker|judge|all|setup\n"
    })
  })
})
