import { describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../src/domain/BrokerError.ts"
import { partialProblemOf, problemOf } from "../../src/edge/FailureProblem.ts"
import { purposeOf } from "../../src/nats/Purpose.ts"

describe("a problem of the broker", () => {
  it.each([
    ["STREAM.MSG.GET.KV_ledger", "Read the ledger"],
    ["DIRECT.GET.KV_ledger", "Read the ledger"],
    ["CONSUMER.LIST.PURCHASES", "Read how much waits in the input log"]
  ])("says in words what was asked by %s", (subject, words) => {
    const failure = new BrokerUnavailable({ operation: purposeOf(subject), reason: "not connected" })
    const said = `${words}: the broker is not available (not connected).`
    expect(problemOf(failure).detail).toBe(`${said} Nothing was changed; try again.`)
    expect(partialProblemOf(failure, 3).detail).toBe(`3 purchases were stored before this failed: ${said}`)
  })
})
