import { describe, expect, it } from "vitest"
import { findNatsTool } from "../../scripts/demo/NatsTool.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { decodeAlerts } from "../../src/rules/Alert.ts"
import { alertByHand, alertOf, positionByHand } from "../support/AlertsByHand.ts"
import { useService } from "../support/TestService.ts"

const tool = await findNatsTool(process.env)

describe(
  "the nats command line tool",
  needs({
    tests: "of alerts with the nats command line tool",
    missing: tool === undefined ? "no nats command line tool" : undefined,
    remedy: "Run scripts/nats.sh cli: it fetches the tool, or says why it cannot."
  }),
  () => {
    const service = useService({ withoutWorker: true })

    it("the tool reads the alerts of a user from any sequence on, in order and without alerts of other users", async () => {
      const { url } = service.broker
      const nats = await findNatsTool({ ...process.env, NATS_URL: url, NATS_NKEY_FILE: testKeyFile })
      const stored: Array<number> = []
      for (let sequence = 1; sequence <= 4; sequence += 1) {
        const second = alertOf({ owner: "ann@x", sequence, ruleNumber: 18 })
        stored.push(await alertByHand(service.client, alertOf({ owner: "ann@x", sequence }), second))
        await alertByHand(service.client, alertOf({ owner: "bob", sequence }))
        await positionByHand(service.client, sequence)
      }
      const words = ["--start-sequence", String(stored[2]), "--raw", "--count", "2"]
      const printed = await nats?.("sub", "--stream", "KV_alerts", "$KV.alerts.alert.ann=40x", ...words)
      const alerts = (printed ?? "").trim().split("\n").map(decodeAlerts)
      expect(alerts.map((some) => some.map(({ sequence, ruleNumber }) => `${sequence}-${ruleNumber}`))).toEqual([
        ["3-17", "3-18"],
        ["4-17", "4-18"]
      ])
      const newest = await nats?.("kv", "get", "alerts", "alert.bob", "--raw")
      expect(decodeAlerts(newest ?? "")).toEqual([alertOf({ owner: "bob", sequence: 4 })])
    })
  }
)
