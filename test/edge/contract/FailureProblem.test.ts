import { describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../../src/protocol/BrokerError.ts"
import { partialProblemOf, problemOf } from "../../../src/edge/contract/FailureProblem.ts"
import { purposeOf } from "../../../src/nats/client/Purpose.ts"

describe("a problem of the broker", () => {
  it.each([
    ["STREAM.MSG.GET.KV_journal", "ould not read the journal"],
    ["DIRECT.GET.KV_journal", "ould not read the journal"],
    ["DIRECT.GET.KV_heads", "ould not read the heads of accounts"],
    ["CONSUMER.LIST.PURCHASES", "ould not read how much waits in the input log"]
  ])("a problem of the broker describes the request to the subject %s in plain words", (subject, words) => {
    const failure = new BrokerUnavailable({ operation: purposeOf(subject), reason: "not connected" })
    const said = `${words}: the broker is not available (not connected).`
    expect(problemOf(failure).detail).toBe(`C${said} Nothing was changed; try again.`)
    expect(partialProblemOf(failure, 3).detail).toBe(`3 purchases were stored before this failed: c${said}`)
  })
})
