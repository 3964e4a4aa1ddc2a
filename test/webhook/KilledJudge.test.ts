import { Webhook as Verifier } from "standardwebhooks"
import { afterEach, describe, expect, it } from "vitest"
import { until } from "../../src/harness/system/TestBroker.ts"
import { TestProcess } from "../../src/harness/system/TestProcess.ts"
import { startedBeforeEach } from "../support/StartedBefore.ts"
import { purchaseText, useService } from "../support/TestService.ts"
import { AlertEndpoint, type Received } from "./AlertEndpoint.ts"

const purchaseCount = 300
const pageLimit = 100

interface Page {
  readonly alerts: ReadonlyArray<{ readonly id: string }>
  readonly next?: string
}

describe("a judge that delivers and is killed", () => {
  const service = useService({ environment: { TEST_WEBHOOK_LOOPBACK: "yes" } })
  const endpoint = startedBeforeEach(() => AlertEndpoint.start())
  const processes: Array<TestProcess> = []

  const start = () => {
    const environment = { NATS_URL: service.broker.url, TEST_WEBHOOK_LOOPBACK: "yes", PATH_PREFIX: "/ledger" }
    const started = new TestProcess("judge", environment)
    processes.push(started)
    return started
  }

  afterEach(async () => {
    await Promise.all(processes.splice(0).map((started) => started.kill()))
  })

  const put = async (path: string, body: object) => {
    const headers = { "content-type": "application/json" }
    const answer = await service.edge.app.request(path, { method: "PUT", headers, body: JSON.stringify(body) })
    return JSON.parse(await answer.text())
  }

  /** Returns the ids of all alerts of a user, oldest first. */
  const alertsOf = async (userId: string): Promise<ReadonlyArray<string>> => {
    const ids: Array<string> = []
    let path: string | undefined = `/users/${userId}/alerts?limit=${pageLimit}`
    while (path !== undefined) {
      const page: Page = JSON.parse((await service.get(path)).body)
      ids.push(...page.alerts.map(({ id }) => id))
      path = page.next
    }
    return ids.toReversed()
  }

  const alertIdsIn = ({ body }: Received): ReadonlyArray<string> =>
    JSON.parse(body).data.alerts.map(({ id }: { readonly id: string }) => id)

  it("after each kill the next judge loses no alert, and repeats deliveries in order under their ids", async () => {
    const { secret } = await put("/users/ann/webhook", { url: endpoint.url })
    await put("/users/ann/rules/all", { measure: "value", is: "greater-or-equal", threshold: 0.01 })
    const lines = Array.from({ length: purchaseCount }, (_, index) => purchaseText({ purchaseId: `p${index}` }))
    await service.post(lines.join("\n"), { "content-type": "application/x-ndjson" })
    for (const kills of [60, 120, 180]) {
      const killed = start()
      await until(`${kills} deliveries`, () => new Set(endpoint.ids).size >= kills)
      await killed.kill("SIGKILL")
    }
    start()
    await until("all deliveries", () => new Set(endpoint.received.flatMap(alertIdsIn)).size === purchaseCount)
    expect(Array.from(new Set(endpoint.received.flatMap(alertIdsIn)))).toEqual(await alertsOf("ann"))
    const bodies = new Map<string, string>()
    for (const { headers, body } of endpoint.received) {
      new Verifier(secret).verify(body, headers as Record<string, string>)
      const id = String(headers["webhook-id"])
      expect(bodies.get(id) ?? body).toBe(body)
      bodies.set(id, body)
    }
    expect(Array.from(bodies.keys(), Number)).toEqual(Array.from(bodies.keys(), Number).toSorted((a, b) => a - b))
    for (const { output } of processes) expect(output).not.toMatch(/whsec_/)
  })
})
