import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit } from "effect"
import { nkeys } from "nats"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { connectionOptions, type CredentialFiles } from "../../../src/nats/client/BrokerCredentials.ts"
import { ensureKeys, keyFile } from "../../../src/nats/client/BrokerKeys.ts"
import { failureOf } from "../../../src/runtime/ExitFailure.ts"
import { needs } from "../../../src/harness/system/Requirement.ts"
import { TestBroker, until } from "../../../src/harness/system/TestBroker.ts"
import { setUpStreams, startEdge, testSettings } from "../../../src/harness/system/TestLedger.ts"
import { TestProcess } from "../../../src/harness/system/TestProcess.ts"
import { Certificates, opensslNeeded } from "../../support/Certificates.ts"

const inTheClear = { isEncrypted: false, credentials: {} }

describe("the files of credentials", () => {
  let directory: string
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "credentials-"))))
  afterEach(() => rmSync(directory, { recursive: true }))

  const refusalOf = async (files: CredentialFiles, address = inTheClear): Promise<string | undefined> => {
    const exit = await Effect.runPromiseExit(connectionOptions(files, "edge", address))
    return Exit.isSuccess(exit) ? undefined : failureOf(exit)?.message
  }

  it("a key file that no other user may read is accepted, and {role} in its path stands for the role", async () => {
    ensureKeys(directory, ["edge"])
    const options = await Effect.runPromise(
      connectionOptions({ nkey: join(directory, "{role}.nk") }, "edge", inTheClear)
    )
    expect(options).toMatchObject({ inboxPrefix: "_INBOX_edge", authenticator: expect.any(Function) })
  })

  it.each([0o644, 0o640, 0o604, 0o610])(
    "a key file with the mode %o is refused with the command that corrects the mode",
    async (mode) => {
      ensureKeys(directory, ["edge"])
      const path = keyFile(directory, "edge")
      chmodSync(path, mode)
      expect(await refusalOf({ nkey: path })).toBe(
        `The setting NATS_NKEY_FILE names ${path}, which users other than its owner may read. Run: chmod 600 ${path}`
      )
      expect(await refusalOf({ creds: path })).toContain("The setting NATS_CREDS_FILE names")
      const pair = { certificate: path, certificateKey: path }
      expect(await refusalOf(pair)).toContain("The setting NATS_CERT_KEY_FILE names")
    }
  )

  it("the message about a missing file names the setting of the file", async () => {
    const path = join(directory, "missing.nk")
    expect(await refusalOf({ nkey: path })).toBe(
      `The setting NATS_NKEY_FILE names ${path}, which cannot be read (there is no such file).`
    )
    expect(await refusalOf({ authority: path })).toContain("The setting NATS_CA_FILE names")
  })

  it("a file without a key is refused, and the message does not show its content", async () => {
    const path = join(directory, "edge.nk")
    writeFileSync(path, "s3cret", { mode: 0o600 })
    expect(await refusalOf({ nkey: path })).toBe(`The setting NATS_NKEY_FILE names ${path}, which holds no nkey.`)
  })

  it("two kinds of credentials at once are refused, because only one of them would be used", async () => {
    ensureKeys(directory, ["edge"])
    const nkey = keyFile(directory, "edge")
    const named = { isEncrypted: false, credentials: { user: "ledger", pass: "s3cret" } }
    for (const refusal of [await refusalOf({ nkey, creds: nkey }), await refusalOf({ nkey }, named)]) {
      expect(refusal).toBe("Give the broker one proof only: a name in NATS_URL, or NATS_NKEY_FILE, or NATS_CREDS_FILE.")
    }
  })

  it("a certificate without its key is refused", async () => {
    expect(await refusalOf({ certificate: "a.crt" })).toBe(
      "Set both NATS_CERT_FILE and NATS_CERT_KEY_FILE, or neither."
    )
  })

  it("a process with a key file that other users may read does not start, and says what to do", async () => {
    ensureKeys(directory, ["edge"])
    const path = keyFile(directory, "edge")
    chmodSync(path, 0o644)
    const edge = new TestProcess("edge", { NATS_URL: "nats://127.0.0.1:1", NATS_NKEY_FILE: path })
    expect((await edge.ended).code).toBe(1)
    expect(edge.output).toContain(`Run: chmod 600 ${path}`)
  })

  it("the script that makes keys leaves existing keys alone, and gives each role a key of its own", async () => {
    const before = ensureKeys(directory, ["edge", "worker"])
    const after = ensureKeys(directory, ["edge", "worker", "admin"])
    expect([after.get("edge"), after.get("worker")]).toEqual([before.get("edge"), before.get("worker")])
    expect(new Set(after.values()).size).toBe(3)
  })
})

describe("a broker that does not know the key of a process", () => {
  it("a process whose key the broker does not know waits, serves no requests, and logs why", async () => {
    const directory = mkdtempSync(join(tmpdir(), "credentials-"))
    const broker = await TestBroker.start()
    await setUpStreams(testSettings({ NATS_URL: broker.url }))
    ensureKeys(directory, ["edge"])
    const edge = new TestProcess("edge", {
      NATS_URL: broker.url,
      NATS_NKEY_FILE: join(directory, "{role}.nk"),
      PORT: "0",
      LOG_LEVEL: "Info"
    })
    await until("it says why it waits", () => edge.output.includes("Authorization Violation"))
    expect(edge.output).not.toContain("serving HTTP")
    expect(broker.takeViolations().length).toBeGreaterThan(0)
    await edge.kill()
    broker.takeViolations()
    await broker.stop()
    rmSync(directory, { recursive: true })
  })
})

describe("a broker with TLS", needs(opensslNeeded), () => {
  let made: Certificates
  let broker: TestBroker
  let configuration: string
  const url = () => `tls://127.0.0.1:${broker.port}`

  beforeAll(async () => {
    made = new Certificates()
    const { certificate, key } = made.make("broker")
    configuration = join(made.directory, "broker.conf")
    const tls = `tls { cert_file: "${certificate}", key_file: "${key}", ca_file: "${made.authority}", verify: true }`
    const jetStream = "jetstream { store_dir: $NATS_STORE_DIR }"
    writeFileSync(configuration, `host: 127.0.0.1\nport: $NATS_PORT\n${jetStream}\n${tls}\n`)
    broker = await TestBroker.start({ configuration })
  })
  afterAll(async () => {
    await broker?.stop()
    made?.remove()
  })

  const files = () => {
    const { certificate, key } = made.make("edge")
    return { NATS_CA_FILE: made.authority, NATS_CERT_FILE: certificate, NATS_CERT_KEY_FILE: key }
  }

  it("an edge with the authority's certificate and a certificate of its own connects, and is ready", async () => {
    const edge = await startEdge(testSettings({ NATS_URL: url(), ...files() }))
    expect((await edge.app.request("/readyz")).status).toBe(200)
    await edge.stop()
  })

  it.each([
    ["without the authority", ({ NATS_CERT_FILE, NATS_CERT_KEY_FILE }) => ({ NATS_CERT_FILE, NATS_CERT_KEY_FILE })],
    ["without its certificate", ({ NATS_CA_FILE }) => ({ NATS_CA_FILE })]
  ] as const satisfies ReadonlyArray<readonly [string, (all: ReturnType<typeof files>) => Record<string, string>]>)(
    "an edge %s does not connect, and keeps waiting",
    async (_title, chosen) => {
      const edge = new TestProcess("edge", { NATS_URL: url(), PORT: "0", ...chosen(files()) })
      await until("it says that it waits", () => edge.output.includes("waiting for a broker that offers TLS"))
      await edge.kill()
    }
  )
})

describe("credentials in one file", () => {
  it("a process connects in its role with a file that has a JWT and the seed of its key", async () => {
    const directory = mkdtempSync(join(tmpdir(), "credentials-"))
    const seed = new TextDecoder().decode(nkeys.createUser().getSeed())
    const path = join(directory, "edge.creds")
    writeFileSync(
      path,
      `-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.c2ln\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
      { mode: 0o600 }
    )
    const options = await Effect.runPromise(connectionOptions({ creds: path }, "edge", inTheClear))
    const [authenticator] = [options.authenticator].flat()
    expect(authenticator?.("nonce")).toMatchObject({ jwt: "eyJ0eXAiOiJKV1QifQ.e30.c2ln", sig: expect.any(String) })
    rmSync(directory, { recursive: true })
  })
})
