import { startedBeforeAll } from "../support/StartedBefore.ts"
import { randomUUID } from "node:crypto"
import { assert, property, sample, string } from "fast-check"
import type { JetStreamManager, NatsConnection } from "nats"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  alertFilter,
  alertPositionSubject,
  alertSubject,
  alertsPrefix,
  commitFilter,
  commitSubject,
  deadSubject,
  decodeToken,
  deliveredSubject,
  encodeToken,
  groupSubject,
  headsSubject,
  partitionOf,
  purchaseSubject,
  readToken,
  rulesFilter,
  rulesPrefix,
  rulesSubject,
  segmentSubject,
  userTokenOfInput,
  webhookSubject
} from "../../src/protocol/Subject.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { startEdge, testSettings } from "../../src/harness/system/TestLedger.ts"

const ids = string({ unit: "grapheme", minLength: 1, maxLength: 64 })
const hostile = ["*", ">", "a.b", "..", "=", "=many", "=41", "$JS.API.>", " ", "\t\r\n", "\0", "\u202e", "\u{1f6d2}"]

describe("encodeToken", () => {
  it.each([
    ["ann", "ann"],
    ["Ann_9-x", "Ann_9-x"],
    ["ann@x.org", "ann=40x=2Eorg"],
    ["*", "=2A"],
    [">", "=3E"],
    ["=", "=3D"],
    [" ", "=20"],
    ["\u00e9", "=C3=A9"],
    ["\u{1f6d2}", "=F0=9F=9B=92"]
  ])("the user id %j is encoded as the token %s", (id, token) => {
    expect(encodeToken(id)).toBe(token)
  })

  it("a token is reversible, and has only ASCII without wildcards and separators", () => {
    assert(
      property(ids, (id) => {
        const token = encodeToken(id)
        expect(token).toMatch(/^[A-Za-z0-9_=-]+$/)
        expect(decodeToken(token)).toBe(id)
      })
    )
    for (const id of hostile) {
      expect(encodeToken(id)).toMatch(/^[A-Za-z0-9_=-]+$/)
      expect(decodeToken(encodeToken(id))).toBe(id)
    }
  })

  it("no two users share a token, and no user has the token of many users", () => {
    assert(
      property(ids, ids, (one, other) => {
        expect(encodeToken(one) === encodeToken(other)).toBe(one === other)
        expect(encodeToken(one)).not.toBe("=many")
      })
    )
    expect(encodeToken("=many")).toBe("=3Dmany")
  })
})

describe("readToken", () => {
  it("the user id is read back from a token, even if each byte is escaped in lower case", () => {
    assert(
      property(ids, (id) => {
        expect(readToken(encodeToken(id))).toBe(id)
        expect(readToken(Buffer.from(id).toString("hex").replaceAll(/../g, "=$&"))).toBe(id)
      })
    )
  })

  it.each([
    ["100%", "100%"],
    ["%41", "%41"],
    ["\u00e9=C3=A9", "\u00e9\u00e9"],
    ["=", undefined],
    ["=4", undefined],
    ["=4x", undefined],
    ["=C3", undefined]
  ])("the token %s is read as %j", (token, text) => {
    expect(readToken(token)).toBe(text)
  })
})

describe("userTokenOfInput", () => {
  it("a user token is found in the subject of a message for one user, and is undefined for many users", () => {
    expect(userTokenOfInput(purchaseSubject(3, "ann=40x"))).toBe("ann=40x")
    expect(userTokenOfInput(groupSubject(3))).toBeUndefined()
    expect(userTokenOfInput(purchaseSubject(3, encodeToken("=many")))).toBe("=3Dmany")
  })
})

describe("the subjects of the buckets", () => {
  it("the subjects are the keys that the nats CLI shows, and no filter for commits finds a segment", () => {
    expect(commitSubject(3)).toBe("$KV.journal.commit.3")
    expect(segmentSubject(3)).toBe("$KV.journal.segment.3")
    expect(headsSubject(3, "manifest")).toBe("$KV.heads.3.manifest")
    expect(commitFilter).toBe("$KV.journal.commit.*")
  })

  it("the rules of a user are a key of the bucket journal, and its alerts and webhook keys of the bucket alerts", () => {
    const owner = encodeToken("ann@x")
    expect(rulesSubject(owner)).toBe("$KV.journal.rules.ann=40x")
    expect(rulesFilter).toBe("$KV.journal.rules.*")
    expect([rulesPrefix, alertsPrefix]).toEqual(["$KV.journal.rules.", "$KV.alerts."])
    expect(alertSubject(owner)).toBe("$KV.alerts.alert.ann=40x")
    expect(alertFilter).toBe("$KV.alerts.alert.*")
    expect(alertPositionSubject(3)).toBe("$KV.alerts.position.3")
    expect(webhookSubject(owner)).toBe("$KV.alerts.webhook.ann=40x")
    expect(deliveredSubject(owner)).toBe("$KV.alerts.delivered.ann=40x")
    expect(deadSubject(owner)).toBe("$KV.alerts.dead.ann=40x")
  })
})

describe("partitionOf", () => {
  const broker = startedBeforeAll(() => TestBroker.start())
  let client: NatsConnection
  let manager: JetStreamManager
  beforeAll(async () => {
    client = await connectAs("admin", broker.url)
    manager = await client.jetstreamManager()
  })
  afterAll(async () => {
    await client.close()
  })

  it.each([1, 2, 3, 8, 256])(
    "a user's partition is the one that the broker's subject transform computes, of %i partitions",
    async (partitions) => {
      // The edge creates the stream, with the transform.
      await (await startEdge(testSettings({ NATS_URL: broker.url, PARTITIONS: String(partitions) }))).stop()
      const users = [...hostile, ...Array.from({ length: 40 }, () => randomUUID()), ...sample(ids, 40)]
      const found: Array<string> = []
      for (const user of users) {
        const { seq } = await client.jetstream().publish(`purchases.${encodeToken(user)}`, "{}")
        found.push((await manager.streams.getMessage("PURCHASES", { seq })).subject)
      }
      const tokens = users.map(encodeToken)
      expect(found).toEqual(tokens.map((token) => purchaseSubject(partitionOf(token, partitions), token)))
      await manager.streams.delete("PURCHASES")
    }
  )
})
