import type { NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { commitSubject, encodeToken, inputStream, journalStream, querySubject } from "../../src/protocol/Subject.ts"
import { type BrokerRole, brokerRoles, inboxPrefixOf } from "../../src/nats/client/BrokerRole.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { mistakesAfter, post, readAccount } from "../../src/harness/system/Shopper.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"

const partitions = 2
/** The roles whose programs must not be able to change an account. */
const strangers = ["edge", "judge", "janitor", "producer", "inspector"] as const
/** The roles that answer no question of an edge. Judges answer edges that ask for one delivery. */
const silent = strangers.filter((role) => role !== "judge")
const answerWaitMilliseconds = 500

describe("a client of the broker", () => {
  const system = startedBeforeAll(() => TestSystem.start({ PARTITIONS: String(partitions) }))
  const clients = new Map<BrokerRole, NatsConnection>()
  const clientOf = (role: BrokerRole): NatsConnection => clients.get(role) as NatsConnection
  const ann = sold("ann", "one")

  beforeAll(async () => {
    await system.startWorker()
    expect((await post(system.ask, ann, { prefer: "wait=20" })).status).toBe(201)
    for (const role of brokerRoles) clients.set(role, await connectAs(role, system.broker.url))
  })
  afterAll(async () => {
    for (const client of clients.values()) await client.close()
  })

  /**
   * Publishes messages, and returns the violations that the broker logged. A later message shows that the broker has
   * checked the earlier ones, because the broker takes a client's messages in order.
   */
  const violationsOf = async (
    role: BrokerRole,
    act: (client: NatsConnection) => void
  ): Promise<ReadonlyArray<string>> => {
    act(clientOf(role))
    await clientOf(role).flush()
    return system.broker.takeViolations().map((line) => line.slice(line.search(/(?:Publish|Subscription) Violation/)))
  }

  const publishing = (role: BrokerRole, subject: string, payload = "{}") =>
    violationsOf(role, (client) => client.publish(subject, payload))

  /** Subscribes to a subject, and returns the violations. The broker closes a refused subscription. */
  const subscribing = (role: BrokerRole, subject: string) =>
    violationsOf(role, (client) => void client.subscribe(subject, { callback: () => undefined }))

  const user = encodeToken("ann")
  const forgedCommit = () => encodeCommit({ kind: "commit", epoch: 1, worker: "nobody", position: 1 }, ["unreadable"])

  it.each(strangers)("the role %s cannot answer questions about accounts in the place of their owner", async (role) => {
    for (let partition = 0; partition < partitions; partition += 1) {
      const violations = await subscribing(role, querySubject(partition))
      expect(violations).toEqual([expect.stringContaining(`Subscription Violation - Subject "query.${partition}"`)])
    }
    expect(await subscribing(role, "query.*")).toHaveLength(1)
    expect(await subscribing(role, ">")).toHaveLength(1)
    expect(mistakesAfter(await readAccount(system.ask, "ann"), [ann])).toEqual([])
  })

  it.each(silent)("the role %s cannot answer a question by its reply subject", async (role) => {
    const violations = await publishing(role, `${inboxPrefixOf("edge")}.guessed.1`, '[{"total":"1"}]')
    expect(violations).toEqual([expect.stringContaining("Publish Violation")])
  })

  it.each(strangers)("the role %s cannot notify an edge that a purchase is applied", async (role) => {
    const forged = JSON.stringify({ partition: 0, applied: [] })
    expect(await publishing(role, "notice.edge", forged)).toEqual([expect.stringContaining('Subject "notice.edge"')])
  })

  it.each(strangers)("the role %s cannot write an unreadable value of an account", async (role) => {
    const subjects = [commitSubject(0), "$KV.journal.segment.0", "$KV.journal.rejected.1.0", "$KV.heads.0.manifest"]
    for (const subject of subjects) {
      expect(await publishing(role, subject, forgedCommit())).toEqual([expect.stringContaining(`Subject "${subject}"`)])
    }
    expect(await system.admin.commits(0)).not.toContainEqual(expect.objectContaining({ worker: "nobody" }))
  })

  it.each(["edge", "worker", "janitor", "judge", "producer", "inspector"] as const)(
    "the role %s can neither delete nor change nor create a stream, nor remove a message of the journal",
    async (role) => {
      const requests = [
        `STREAM.DELETE.${journalStream}`,
        `STREAM.DELETE.${inputStream}`,
        `STREAM.UPDATE.${journalStream}`,
        "STREAM.CREATE.other",
        `STREAM.PURGE.${journalStream}`,
        `STREAM.MSG.DELETE.${journalStream}`,
        `STREAM.SNAPSHOT.${journalStream}`,
        "STREAM.RESTORE.other"
      ]
      for (const request of requests) {
        const subject = `$JS.API.${request}`
        expect(await publishing(role, subject)).toEqual([expect.stringContaining(`Subject "${subject}"`)])
      }
      expect((await system.admin.state(journalStream)).messages).toBeGreaterThan(0)
    }
  )

  it.each(brokerRoles.filter((role) => role !== "janitor" && role !== "admin"))(
    "the role %s cannot purge the input log",
    async (role) => {
      expect(await publishing(role, `$JS.API.STREAM.PURGE.${inputStream}`)).toHaveLength(1)
      expect((await system.admin.state(inputStream)).messages).toBe(1)
    }
  )

  it("no role can subscribe to the answers to another role", async () => {
    for (const role of brokerRoles.filter((one) => one !== "admin")) {
      for (const other of brokerRoles.filter((one) => one !== role)) {
        expect(await subscribing(role, `${inboxPrefixOf(other)}.>`), `${role} hears ${other}`).toHaveLength(1)
      }
    }
  })

  it("a producer can store purchases under the token of a user, and can publish to no other subject", async () => {
    const bob = sold("bob", "by a producer")
    const stored = await clientOf("producer").request("purchases.bob", inputMessage([bob]), {
      timeout: answerWaitMilliseconds * 10
    })
    expect(stored.json()).toMatchObject({ stream: inputStream })
    await until("it is applied", async () => (await readAccount(system.ask, "bob")).count === 1)
    expect(await publishing("producer", "purchases.0.bob")).toHaveLength(1)
    expect(await publishing("producer", `$JS.API.STREAM.INFO.${inputStream}`)).toHaveLength(1)
    expect(await publishing("producer", "ledger.total.bob")).toHaveLength(1)
  })

  it("an inspector can read streams and accounts, and can store nothing", async () => {
    const info = await clientOf("inspector").request(`$JS.API.STREAM.INFO.${journalStream}`)
    expect(info.json()).toMatchObject({ config: { name: journalStream } })
    const answer = await clientOf("inspector").request(`ledger.total.${user}`)
    expect(answer.json()).toMatchObject({ userId: "ann" })
    expect(await publishing("inspector", "purchases.ann")).toHaveLength(1)
  })

  it("an inspector can make one consumer of the input log, and cannot change the consumer of a worker", async () => {
    const [before] = await system.admin.consumers()
    const name = before?.name ?? ""
    const create = `$JS.API.CONSUMER.CREATE.${inputStream}`
    const filter = "purchases.*.*"
    expect(await publishing("inspector", `${create}.${name}.${filter}`)).toHaveLength(1)
    expect(await publishing("inspector", create)).toHaveLength(1)
    expect(await publishing("inspector", `$JS.API.CONSUMER.DELETE.${inputStream}.${name}`)).toHaveLength(1)
    const asked = async (config: object) =>
      (
        await clientOf("inspector").request(
          `${create}.audit.${filter}`,
          JSON.stringify({
            stream_name: inputStream,
            config: { filter_subject: filter, ack_policy: "none", ...config }
          })
        )
      ).json()
    for (const other of [{ name }, { durable_name: name }, { name: "audit", durable_name: name }]) {
      // The broker refuses the other name, or takes the name of the subject.
      const answer = (await asked(other)) as { readonly name?: string }
      expect(answer.name ?? "audit").toBe("audit")
    }
    const consumers = await system.admin.consumers()
    expect(consumers.find((one) => one.name === name)?.config).toEqual(before?.config)
    expect(consumers.map((one) => one.name)).toContain("audit")
    expect(system.broker.takeViolations()).toEqual([])
  })

  it("a client without a key of the broker is refused", async () => {
    await expect(
      connectAs("edge", system.broker.url, { authenticator: () => undefined, reconnect: false })
    ).rejects.toThrow("Authorization Violation")
    expect(system.broker.takeViolations()).toEqual([expect.stringContaining("authentication error")])
  })

  it("stopping a test broker fails if no test has taken a violation that the broker logged", async () => {
    const other = await TestSystem.start()
    const stranger = await connectAs("producer", other.broker.url)
    stranger.publish("notice.edge", "{}")
    await stranger.flush()
    await stranger.close()
    await expect(other.stop()).rejects.toThrow('Publish Violation - Subject "notice.edge"')
  })

  it("the role of the tests' administrator can read all streams", async () => {
    const admin = await BrokerAdmin.open(system.broker.url, partitions)
    expect((await admin.state(inputStream)).messages).toBeGreaterThan(0)
    await admin.close()
  })
})
