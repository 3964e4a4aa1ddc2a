import { Effect } from "effect"
import { beforeAll, beforeEach, describe, expect, it } from "vitest"
import { journalConfig } from "../../src/nats/CommitChain.ts"
import { encodeToken, formerLedgerStream, headsStream, journalStream } from "../../src/protocol/Subject.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll, startedBeforeEach } from "../support/StartedBefore.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import { startWorker, testSettings } from "../../src/harness/system/TestLedger.ts"
import { FormerInstallation } from "./FormerInstallation.ts"
import { runUpgrade, upgradeHere } from "./UpgradeRun.ts"

const partitions = 2

describe("an upgrade that cannot be done", () => {
  const former = startedBeforeAll(() => FormerInstallation.start(partitions))

  beforeAll(async () => {
    for (const user of ["ann", "bob", "cleo"]) await former.apply([sold(user, "1"), sold(user, "2")])
  })

  const streams = async (): Promise<ReadonlyArray<string>> => {
    const answer = await former.admin.api<{ readonly streams: ReadonlyArray<string> }>("STREAM.NAMES")
    return answer?.streams ?? []
  }

  /** A journal or heads without the mark of an upgrade. */
  const createForeign = (name: string) =>
    former.admin.api(`STREAM.CREATE.${name}`, { ...journalConfig(1), name, subjects: [`$KV.${name.slice(3)}.>`] })

  it("the upgrade ends with 2 and its usage if it is called with an option that it does not have", async () => {
    const { code, errors } = await runUpgrade({ NATS_URL: former.broker.url }, undefined, ["--force"])
    expect(code).toBe(2)
    expect(errors).toContain("npm run upgrade")
  })

  it("the upgrade ends with 2 if a setting is wrong, and names the setting", async () => {
    const { code, errors } = await runUpgrade({ NATS_URL: former.broker.url, WORKER_LEASE: "soon" })
    expect({ code, errors }).toEqual({ code: 2, errors: expect.stringContaining("The setting WORKER_LEASE is wrong") })
  })

  it("the upgrade ends with 4 on a broker without the former layout, and changes nothing on that broker", async () => {
    const empty = await TestBroker.start()
    const { code, errors } = await runUpgrade({ NATS_URL: empty.url })
    expect({ code, errors }).toEqual({ code: 4, errors: expect.stringContaining("There is nothing to upgrade") })
    expect((await empty.monitoring("/jsz")).streams).toBe(0)
    await empty.stop()
  })

  it("the upgrade ends with 3 while a worker gives signs of life, and names the worker", async () => {
    await former.admin.api("STREAM.CREATE.KV_workers", {
      name: "KV_workers",
      subjects: ["$KV.workers.*"],
      max_age: 60e9
    })
    await former.admin.publish(`$KV.workers.${encodeToken("worker 7")}`, JSON.stringify({ instance: 1 }))
    const { code, errors } = await runUpgrade({ NATS_URL: former.broker.url, WORKER_LEASE: "1 hour" })
    expect({ code, errors }).toEqual({
      code: 3,
      errors: expect.stringContaining("Still alive: the worker worker 7. Stop all workers")
    })
    expect(await streams()).not.toContain(journalStream)
  })

  it.each([journalStream, headsStream])(
    "the upgrade ends with 6 and leaves alone a stream %s that no upgrade began",
    async (name) => {
      await createForeign(name)
      await former.admin.publish(`$KV.${name.slice(3)}.x`, "kept")
      const { failure } = await upgradeHere(former.broker.url)
      expect(failure).toMatchObject({ exitCode: 6, message: expect.stringContaining(`The stream ${name} exists`) })
      expect((await former.admin.state(name)).messages).toBe(1)
      await former.admin.api(`STREAM.DELETE.${name}`)
    }
  )

  it("the upgrade fails if somebody writes into the former layout during the upgrade", async () => {
    const { failure } = await upgradeHere(former.broker.url, {
      chain: (real) => ({
        ...real,
        append: (...commit) =>
          Effect.tap(real.append(...commit), () =>
            Effect.promise(() => former.write("owner.0", { version: 1, worker: "former" }))
          )
      })
    })
    expect(failure?.message).toContain(`The stream ${formerLedgerStream} was written meanwhile`)
    await expect(startWorker(testSettings({ NATS_URL: former.broker.url }))).rejects.toThrow("npm run upgrade")
  })

  it("the upgrade names an account whose former revisions do not follow from each other", async () => {
    const record = { version: 1, total: "500", count: 9, decidedThrough: 1, purchases: [], repeats: [], previous: [] }
    const broken = await FormerInstallation.start(1)
    await broken.write("account.dora", record)
    const { failure } = await upgradeHere(broken.broker.url)
    expect(failure?.message).toContain("Account dora has a revision that does not follow from the one before it")
    await broken.stop()
  })

  it("the upgrade ends with 5 if an upgrade was done before, and leaves the new layout alone", async () => {
    expect((await upgradeHere(former.broker.url)).failure).toBeUndefined()
    const { messages } = await former.admin.state(journalStream)
    const { failure } = await upgradeHere(former.broker.url)
    expect(failure).toMatchObject({ exitCode: 5, message: expect.stringContaining("done already") })
    expect((await former.admin.state(journalStream)).messages).toBe(messages)
  })
})

describe("an upgrade that was killed", () => {
  const former = startedBeforeEach(() => FormerInstallation.start(partitions))

  beforeEach(async () => {
    for (let number = 1; number <= 40; number += 1) await former.apply([sold("ann", `${number}`)])
    await former.apply([sold("bob", "1")])
  })

  const restarted = async () => {
    const { lines, failure } = await upgradeHere(former.broker.url)
    expect(failure).toBeUndefined()
    expect(lines[0]).toBe("An upgrade before this one did not end. What it wrote was removed.")
    expect(lines.join("\n")).toContain("Compared: 41 purchases of 2 accounts")
    expect(await former.admin.revisions("ann")).toBe(40)
    // The heads of a removed journal are removed with the journal.
    const heads = await former.admin.state(headsStream)
    expect(heads.last_seq).toBe(heads.messages)
  }

  it.each([
    ["before its first commit", ["Written: 0 rejected"]],
    ["after a take-over record", ["commit", "1"]],
    ["in the midst of the commits", ["commit", "30"]],
    ["before the comparison", ["Written: 41 purchases"]],
    ["after the comparison", ["Compared:"]]
  ])("after an upgrade was killed %s, the next upgrade starts from the beginning", async (_when, at) => {
    const killed = await runUpgrade({ NATS_URL: former.broker.url }, "test/upgrade/KilledUpgrade.ts", at)
    expect(killed.signal).toBe("SIGKILL")
    await expect(startWorker(testSettings({ NATS_URL: former.broker.url }))).rejects.toThrow("npm run upgrade")
    await restarted()
    const worker = await startWorker(testSettings({ NATS_URL: former.broker.url }))
    await worker.stop()
  })

  it("a killed upgrade counts as alive until its lease ends, so that no second upgrade begins", async () => {
    await runUpgrade({ NATS_URL: former.broker.url }, "test/upgrade/KilledUpgrade.ts", ["commit", "30"])
    const { code, errors } = await runUpgrade({ NATS_URL: former.broker.url, WORKER_LEASE: "1 hour" })
    expect({ code, errors }).toEqual({ code: 3, errors: expect.stringContaining("Still alive: another upgrade.") })
    await restarted()
  })
})
