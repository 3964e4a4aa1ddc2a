import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { askApp, mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { sold } from "../../src/harness/system/Sold.ts"
import { freePort, TestBroker } from "../../src/harness/system/TestBroker.ts"
import { setUpStreams, startEdge, startWorker, testSettings } from "../../src/harness/system/TestLedger.ts"

const plainConfiguration = "host: 127.0.0.1, port: $NATS_PORT"

// A broker whose disk is full goes on without JetStream, and passes requests on to brokers that have JetStream.
it("a process works through a broker of a cluster that runs without JetStream", async () => {
  const directory = mkdtempSync(join(tmpdir(), "purchase-ledger-test-"))
  const plainPath = join(directory, "plain.conf")
  writeFileSync(plainPath, plainConfiguration)
  const routePorts = [await freePort(), await freePort(), await freePort()]
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`)
  const brokers: Array<TestBroker> = []
  for (const [index, route] of routes.entries()) {
    const cluster = [
      `--server_name=broker-${index}`,
      "--cluster_name=test",
      `--cluster=${route}`,
      "--no_advertise=true"
    ]
    const broker = await TestBroker.create({
      directory: join(directory, `broker-${index}`),
      ...(index === 0 ? { configuration: plainPath } : {}),
      arguments: [...cluster, `--routes=${routes.join(",")}`]
    })
    brokers.push(broker)
    broker.launch()
  }
  try {
    for (const broker of brokers) await broker.untilHealthy()
    const settings = testSettings({ NATS_URL: brokers[0]?.url ?? "", PARTITIONS: "2" })
    const edge = await startEdge(settings)
    const worker = await startWorker(settings)
    const ask = askApp(edge.app)
    const sale = sold("ann", "one")
    expect((await post(ask, sale, { prefer: "wait=20" })).status).toBe(201)
    expect(mistakesAfter(await readAccount(ask, "ann"), [sale])).toEqual([])
    await worker.stop()
    await edge.stop()
  } finally {
    for (const broker of brokers) await broker.stop()
    rmSync(directory, { recursive: true, force: true })
  }
})

describe("A broker with accounts of an earlier version", () => {
  const sentence =
    "The stream KV_ledger holds accounts in the layout of an earlier version. Stop all workers and edges, and run: npm run upgrade"
  let broker: TestBroker
  let admin: BrokerAdmin

  beforeEach(async () => {
    broker = await TestBroker.start()
    admin = await BrokerAdmin.open(broker.url, 2)
    await admin.api("STREAM.CREATE.KV_ledger", { name: "KV_ledger", subjects: ["$KV.ledger.>"] })
  })

  afterEach(async () => {
    await admin.close()
    await broker.stop()
  })

  const settings = () => testSettings({ NATS_URL: broker.url, PARTITIONS: "2" })
  const createJournal = (metadata: Readonly<Record<string, string>>) =>
    admin.api("STREAM.CREATE.KV_journal", {
      name: "KV_journal",
      subjects: ["$KV.journal.>"],
      allow_direct: true,
      deny_delete: true,
      metadata
    })
  const streams = async () => {
    const names = await admin.api<{ readonly streams: ReadonlyArray<string> }>("STREAM.NAMES")
    return names?.streams.toSorted() ?? []
  }

  it("edges and workers refuse accounts of an earlier version before any write, and name the upgrade", async () => {
    await expect(startEdge(settings())).rejects.toThrow(sentence)
    await expect(startWorker(settings())).rejects.toThrow(sentence)
    expect((await streams()).filter((name) => name.startsWith("KV_"))).toEqual(["KV_ledger"])
  })

  it.each([
    ["without a mark", {}],
    ["with the mark of an upgrade that is not complete", { "purchases.upgrade": "copying" }]
  ])("edges and workers refuse accounts of an earlier version beside a journal %s", async (_which, metadata) => {
    await createJournal(metadata)
    await expect(startEdge(settings())).rejects.toThrow(sentence)
    await expect(startWorker(settings())).rejects.toThrow(sentence)
  })

  it("edges and workers work with a journal that the upgrade has marked as complete", async () => {
    await createJournal({ "purchases.upgrade": "done" })
    const edge = await startEdge(settings())
    const worker = await startWorker(settings())
    const ask = askApp(edge.app)
    const sale = sold("ann", "one")
    expect((await post(ask, sale, { prefer: "wait=20" })).status).toBe(201)
    expect(mistakesAfter(await readAccount(ask, "ann"), [sale])).toEqual([])
    await worker.stop()
    await edge.stop()
  })
})

describe("The number of shards of the alerts", () => {
  it("the setup keeps the number of shards of its first run, and refuses another number", async () => {
    const broker = await TestBroker.start()
    const setUpWith = (environment: Readonly<Record<string, string>>) =>
      setUpStreams(testSettings({ NATS_URL: broker.url, ...environment }))
    try {
      await setUpWith({ JUDGE_SHARDS: "3" })
      await setUpWith({ JUDGE_SHARDS: "3" })
      await setUpWith({})
      await expect(setUpWith({ JUDGE_SHARDS: "2" })).rejects.toThrow(
        "The alerts on the broker have 3 shards, and the setting JUDGE_SHARDS is 2. The number of shards is fixed when the setup creates the stream KV_alerts. Set JUDGE_SHARDS=3, or leave JUDGE_SHARDS out."
      )
      const edge = await startEdge(testSettings({ NATS_URL: broker.url }))
      expect(await (await askApp(edge.app)("/status")).json()).toMatchObject({
        alerts: [{ shard: 0 }, { shard: 1 }, { shard: 2 }]
      })
      await edge.stop()
    } finally {
      await broker.stop()
    }
  })
})
