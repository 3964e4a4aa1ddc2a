import { describe, expect, it } from "vitest"
import { BrokerUnavailable } from "../../src/domain/BrokerError.ts"
import { partialProblemOf, problemOf } from "../../src/edge/FailureProblem.ts"

describe("a problem of the broker", () => {
  it("names no subject of the broker", () => {
    for (const operation of ["STREAM.MSG.GET.KV_ledger", "DIRECT.GET.KV_ledger", "CONSUMER.LIST.PURCHASES"]) {
      const failure = new BrokerUnavailable({ operation, reason: "not connected" })
      const said = "The broker is not available (not connected)."
      expect(problemOf(failure).detail).toBe(`${said} Nothing was changed; try again.`)
      expect(partialProblemOf(failure, 3).detail).toBe(`3 purchases were stored before this failed: ${said}`)
    }
  })
})
