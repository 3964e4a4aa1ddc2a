import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { needs } from "../../src/harness/system/Requirement.ts"
import { projectRoot, until } from "../../src/harness/system/TestBroker.ts"
import { startJudge, type TestJudge } from "../../src/harness/system/TestLedger.ts"
import { findPromtool } from "../support/Promtool.ts"
import { purchaseText, startService, type TestService } from "../support/TestService.ts"
import { runTool } from "../support/Tool.ts"

const deploy = join(projectRoot, "deploy")
const textOf = (name: string): string => readFileSync(join(deploy, name), "utf8")

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}
const dashboard = JSON.parse(textOf("grafana-dashboard.json")) as { readonly panels: ReadonlyArray<Panel> }
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))

/** A metric that an expression selects, with the labels of the metric that the expression uses. */
interface Selected {
  readonly metric: string
  readonly labels: ReadonlyArray<string>
}

/** Returns the metrics that a text of expressions selects, with their labels in braces. */
const selectedIn = (text: string): ReadonlyArray<Selected> =>
  [...text.matchAll(/(purchase_ledger_\w+)(?:\{([^}]*)\})?/g)].map(([, metric = "", matchers = ""]) => ({
    metric,
    labels: [...matchers.matchAll(/(\w+)=/g)].map(([, label = ""]) => label)
  }))

describe("the files with which Prometheus and Grafana watch the ledger", () => {
  let service: TestService
  let judge: TestJudge
  let exposed: string
  beforeAll(async () => {
    service = await startService({ environment: { JOURNAL_BYTES_MAX: String(1024 ** 3) } })
    judge = await startJudge(service.settings)
    await service.edge.app.request("/users/ann/rules/any", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ measure: "value", is: "greater-or-equal", threshold: 1 })
    })
    const post = (members: Record<string, unknown>) => service.post(purchaseText(members), { prefer: "wait=10" })
    await post({ purchaseId: "one" })
    await post({ purchaseId: "one" })
    await post({ purchaseId: "one", quantity: 9 })
    await until("every metric is there", async () => {
      exposed = (await service.get("/metrics")).body
      return [
        "alert_lag_seconds{",
        "judged_alerts_total ",
        "rejected_purchases_total{",
        "input_waiting_messages{",
        "journal_bytes_max "
      ].every((name) => exposed.includes(`purchase_ledger_${name}`))
    })
  })
  afterAll(async () => {
    await judge.stop()
    await service.stop()
  })

  it.each(["alerts.yaml", "alerts.test.yaml", "grafana-dashboard.json"])(
    "%s names only metrics and labels that the processes have",
    (name) => {
      const selected = selectedIn(textOf(name).replaceAll(String.raw`\"`, '"'))
      expect(selected.length).toBeGreaterThan(7)
      for (const { metric, labels } of selected) {
        const series = exposed
          .split("\n")
          .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
        expect(series, `${name} names ${metric}`).not.toEqual([])
        for (const label of labels) {
          // Prometheus itself adds the label `instance`.
          if (label !== "instance") expect(series[0], `${name} uses ${label} of ${metric}`).toContain(`${label}="`)
        }
      }
    }
  )

  it("each panel of the dashboard has an id of its own, and at least one expression", () => {
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const { type, title, targets = [] } of dashboard.panels) {
      if (type !== "row") expect(targets.length, title).toBeGreaterThan(0)
    }
  })
})

const promtool = findPromtool()

describe("promtool on the files of deploy/", needs(promtool), () => {
  const folder = mkdtempSync(join(tmpdir(), "promtool-"))
  afterAll(() => rmSync(folder, { recursive: true }))
  const run = (...words: ReadonlyArray<string>) => runTool(deploy, promtool.program, words)

  it("promtool finds no mistake in the alert rules", async () => {
    expect(await run("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")).toContain("SUCCESS")
  })

  it("the tests of the alert rules pass", async () => {
    expect(await run("test", "rules", "alerts.test.yaml")).toContain("SUCCESS")
  })

  it("promtool reads each expression of the dashboard", async () => {
    const rules = expressions.map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll("$__rate_interval", "5m")
    }))
    const file = join(folder, "dashboard.json")
    // JSON is YAML, which promtool reads.
    writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules }] }))
    expect(await run("check", "rules", file)).toContain(`${rules.length} rules found`)
  })
})
