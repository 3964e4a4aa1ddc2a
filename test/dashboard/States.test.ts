import axe from "axe-core"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { browserNeeded, keepScreenshot, launchChromium, screenshots } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startJudge, type TestJudge } from "../../src/harness/system/TestLedger.ts"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

/** Each test visits all states of the page, and axe checks each element of it. */
const visitMillisecondsMax = 120_000

type Look = readonly [width: number, height: number, colorScheme: "light" | "dark"]

const looks: ReadonlyArray<Look> = [
  [1_440, 900, "light"],
  [1_440, 900, "dark"],
  [390, 844, "light"],
  [390, 844, "dark"]
]

describe(`the states of the page (pictures in ${screenshots})`, needs(browserNeeded), () => {
  const service = useService({ environment: { DEMO: "true", WORKER_ID: "worker-1", PARTITIONS: "8" } })
  let server: TestServer
  let browser: Browser
  let judge: TestJudge
  let page: Page
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
    judge = await startJudge({ ...service.settings, workerId: "judge-1" })
  })
  afterAll(async () => {
    await judge?.stop()
    await browser?.close()
    await server?.close()
  })

  const open = async (width: number, height: number, colorScheme: "light" | "dark"): Promise<void> => {
    await browser.contexts().at(0)?.close()
    const phone = width < 500 ? { isMobile: true, hasTouch: true } : {}
    page = await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId: "UTC", ...phone })
    page.setDefaultTimeout(15_000)
    await page.goto(`http://127.0.0.1:${server.port}/`)
    await page.locator("#connection:not([data-state=waiting])").waitFor()
  }

  /** Shows the state of an address, from the beginning. */
  const goTo = async (state: Record<string, string>): Promise<void> => {
    await page.goto("about:blank")
    await page.goto(`http://127.0.0.1:${server.port}/#${new URLSearchParams(state)}`)
  }

  /** Expects that axe finds nothing in the shown state, and keeps a picture of it. */
  const check = async (state: string, [width, , scheme]: Look): Promise<void> => {
    await keepScreenshot(page, `state-${state}-${width}-${scheme}`)
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate<axe.AxeResults>("axe.run()")
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`))
    const mistakes = await accessibilityMistakes(page)
    const scrollWidth = await page.evaluate("document.documentElement.scrollWidth")
    expect({ state, found, mistakes, scrollWidth }).toEqual({ state, found: [], mistakes: [], scrollWidth: width })
  }

  const buy = (userId: string, purchaseId: string, more: Record<string, unknown> = {}) =>
    service.post(purchaseText({ userId, purchaseId, ...more }), { prefer: "wait=10" })

  const products = ["Laptop", "Standing desk", "Headphones", "Lamp"]

  /** Stores a user with purchases, a rule, alerts and a rejected record. */
  const fill = async (): Promise<void> => {
    const rule = JSON.stringify({ measure: "spent", within: "P7D", threshold: 200, is: "crosses" })
    const headers = { "content-type": "application/json" }
    await service.edge.app.request("/users/ann@x.org/rules/weekly", { method: "PUT", body: rule, headers })
    for (let index = 0; index < 14; index += 1) {
      await buy("ann@x.org", `order-2026-${1_000 + index}`, {
        productName: products[index % products.length],
        value: 19.99 + 41 * index,
        quantity: 1 + (index % 3)
      })
    }
    const reversal = JSON.stringify({ reversalId: "parcel-17", quantity: 1, reason: "The parcel came back damaged" })
    await service.edge.app.request("/users/ann@x.org/purchases/order-2026-1011/reversals", {
      method: "POST",
      body: reversal,
      headers: { ...headers, prefer: "wait=10" }
    })
    const payload = inputMessage([sold("ivy", "wrong", { valueCents: -1_250 })])
    await (await service.client.jetstream()).publish("purchases.0.=many", payload)
    await until("the alert is stored", async () => {
      const { alerts } = JSON.parse((await service.get("/users/ann@x.org/alerts")).body) as { alerts: Array<unknown> }
      return alerts.length > 0
    })
  }

  it.each(looks)("axe finds nothing in the empty page at %i×%i, %s", async (...look) => {
    await open(...look)
    await check("support-empty", look)
    await goTo({ view: "operate" })
    await page.locator("#health[data-state=ok]").waitFor()
    await page.locator("#rejected-empty").waitFor()
    await check("operate-empty", look)
  })

  it.each(looks)(
    "axe finds nothing in any state of an account at %i×%i, %s",
    async (...look) => {
      if ((await service.get("/users/ann@x.org/purchases/order-2026-1013")).status === 404) await fill()
      await open(...look)
      const seen = Promise.withResolvers<void>()
      await page.route("**/users/*/purchases*", async (route) => {
        await seen.promise
        return route.continue()
      })
      await goTo({ user: "ann@x.org" })
      await page.locator("#user-loading").waitFor()
      await check("loading", look)
      seen.resolve()
      await page.locator("#user-account").waitFor()
      await page.unrouteAll({ behavior: "wait" })
      await page.locator("#alerts tbody tr").first().waitFor()
      // Both sizes show the user's total without scrolling.
      const box = await page.locator("#user-total").boundingBox()
      expect((box?.y ?? look[1]) + (box?.height ?? 0)).toBeLessThan(look[1])
      await check("account", look)
      await page.getByText("As a table").click()
      await page.locator("#rule-new").click()
      await page.locator("#rule-fired:not(:empty)").waitFor()
      await page.locator("#webhook summary").click()
      await page.getByText("This user has no webhook.").waitFor()
      await check("account-open", look)
      await goTo({ user: "ann@x.org", receipt: "order-2026-1002" })
      await page.locator("#receipt dd").first().waitFor()
      await page.locator("#user-account").waitFor()
      await check("receipt", look)
      await goTo({ user: "ann@x.org", receipt: "order-2026-1011" })
      await page.locator("#receipt-reversals li").waitFor()
      await page.locator("#reversal-open").click()
      await check("reversal-form", look)
      await page.locator("#reversal-reason").fill("The customer did not order it")
      await page.getByRole("button", { name: "Look again" }).click()
      await page.locator("#reversal-send").waitFor()
      await check("reversal-look", look)
      await goTo({ user: "ann@x.org", product: "Lamp", order: "oldest", from: "2026-01-01T00:00:00.000Z" })
      await page.locator("#history tbody tr").first().waitFor()
      await check("filtered", look)
      await goTo({ user: "nobody" })
      await page.locator("#user-unknown").waitFor()
      await check("unknown-user", look)
      await goTo({ user: "a/b" })
      await page.locator("#user-message[data-kind=problem]").waitFor()
      await check("refused-user", look)
    },
    visitMillisecondsMax
  )

  it.each(looks)(
    "axe finds nothing in any state of the operator's view at %i×%i, %s",
    async (...look) => {
      await open(...look)
      await goTo({ view: "operate" })
      await page.locator("#rejected tbody tr").first().waitFor()
      await until("the feed is open", async () => {
        await buy("ben", `live-${Date.now()}`, { productName: products[Date.now() % products.length] })
        return (await page.locator("#newest tbody tr").count()) > 5
      })
      await page.locator("#applied", { hasText: /\d/ }).waitFor()
      await check("operate", look)
      await page.getByRole("button", { name: /^Replay / }).click()
      await page.locator("#replay-form").waitFor()
      await check("replay", look)
    },
    visitMillisecondsMax
  )

  it(
    "axe finds nothing in the page without a broker, in both sizes and both colour schemes",
    async () => {
      const pages: Array<Page> = []
      for (const [width, height, colorScheme] of looks) {
        pages.push(await browser.newPage({ viewport: { width, height }, colorScheme, timezoneId: "UTC" }))
        page = pages.at(-1) ?? page
        await goTo({ user: "ann@x.org" })
        await page.locator("#user-account").waitFor()
      }
      await service.broker.kill()
      for (const [index, look] of looks.entries()) {
        page = pages[index] ?? page
        await page.locator("#health[data-state=down]").waitFor()
        // The page has the state of a service that cannot store before it has no answer at all.
        await page.locator("#connection[data-state=gone]").waitFor()
        expect(await page.locator("#user-account").isVisible()).toBe(true)
        expect(await page.locator("#user-count").innerText()).toMatch(/, as they were when the service answered last$/)
        await check("support-without-broker", look)
        await goTo({ view: "operate" })
        await page.locator("#health[data-state=down]").waitFor()
        await check("operate-without-broker", look)
        await page.close()
      }
    },
    visitMillisecondsMax
  )
})
