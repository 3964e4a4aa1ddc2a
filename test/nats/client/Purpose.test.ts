import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { BrokerRefused, BrokerUnavailable } from "../../../src/protocol/BrokerError.ts"
import { refusalOf } from "../../../src/nats/client/JetStreamApi.ts"
import { purposeOf } from "../../../src/nats/client/Purpose.ts"
import { projectRoot } from "../../../src/harness/system/TestBroker.ts"

const directory = join(projectRoot, "src/nats")
/** The parts of the broker's API that the code of `src/nats` uses, for example `STREAM.INFO.`. */
const asked = readdirSync(directory, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) =>
    Array.from(
      readFileSync(join(directory, name), "utf8").matchAll(/`((?:STREAM|CONSUMER|DIRECT)(?:\.[A-Z]+)+\.)\$\{/g),
      ([, part = ""]) => part
    )
  )

describe("the purpose of a request to the broker", () => {
  it("each request to the broker's API that the code makes has a purpose in plain words", () => {
    expect(new Set(asked).size).toBeGreaterThan(8)
    const unnamed = asked.filter((part) => purposeOf(`${part}PURCHASES`) === "ask the broker")
    expect(unnamed).toEqual([])
  })

  it("the purpose of a request names the stream in words for people", () => {
    expect(purposeOf("CONSUMER.LIST.PURCHASES")).toBe("read how much waits in the input log")
    expect(purposeOf("STREAM.MSG.GET.KV_journal")).toBe("read the journal")
    expect(purposeOf("DIRECT.GET.KV_heads")).toBe("read the heads of accounts")
    expect(purposeOf("STREAM.PURGE.KV_heads")).toBe("clean up the heads of accounts")
    expect(purposeOf("CONSUMER.CREATE.PURCHASES.p0-1.x")).toBe("begin to read the input log")
    expect(purposeOf("STREAM.INFO.OTHER")).toBe("read the state of a stream")
    expect(purposeOf("ACCOUNT.INFO")).toBe("ask the broker")
  })
})

describe("a refusal of the broker", () => {
  it("the message of a refusal says what is wrong, and does not show the broker's code", () => {
    const full = refusalOf("store purchases", { code: 503, err_code: 10_077, description: "maximum bytes exceeded" })
    expect(full).toBeInstanceOf(BrokerRefused)
    expect(full).toMatchObject({
      code: 10_077,
      message: "could not store purchases: the broker refused (its store is full)"
    })
  })

  it("the answer that a stream has no leader means that the broker is unavailable, and not a refusal", () => {
    const waiting = refusalOf("read the journal", { code: 503, err_code: 10_008, description: "JetStream system" })
    expect(waiting).toBeInstanceOf(BrokerUnavailable)
    expect(waiting.message).toBe(
      "could not read the journal: the broker is not available (it has no leader for this yet)"
    )
  })
})
