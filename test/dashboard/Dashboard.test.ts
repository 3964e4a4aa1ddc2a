import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { accessibilityMistakes } from "../support/Accessibility.ts"
import { browserNeeded, keepScreenshot, launchChromium, screenshots } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { inputMessage, sold } from "../../src/harness/system/Sold.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { purchaseText, useService } from "../support/TestService.ts"

describe(`the dashboard in a browser (pictures in ${screenshots})`, needs(browserNeeded), () => {
  const service = useService({ environment: { DEMO: "true", WORKER_ID: "worker-1", PARTITIONS: "4" } })
  let server: TestServer
  let browser: Browser
  let page: Page
  /** The errors and warnings of the browser. */
  let complaints: Array<string>
  beforeAll(async () => {
    server = await serve(service.edge.app)
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  /** The address of the view of the operator. */
  const operate = "/#view=operate"

  const open = async (path = "/", width = 1_280, options: Parameters<Browser["newPage"]>[0] = {}): Promise<void> => {
    const context = browser.contexts().at(0)
    await context?.close()
    page = await browser.newPage({ viewport: { width, height: 900 }, timezoneId: "UTC", ...options })
    page.setDefaultTimeout(15_000)
    complaints = []
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${server.port}${path}`)
    await page.locator("#connection[data-state=live]").waitFor()
    if (path === operate) await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
  }
  beforeEach(() => {
    complaints = []
  })

  const buy = (userId: string, purchaseId: string, more: Record<string, unknown> = {}) =>
    service.post(purchaseText({ userId, purchaseId, ...more }), { prefer: "wait=10" })

  /** Stores a purchase that cannot be applied, past the edge. */
  const reject = async (userId: string) => {
    const payload = inputMessage([sold(userId, "wrong", { valueCents: -1_250 })])
    await (await service.client.jetstream()).publish("purchases.0.=many", payload)
  }

  const textOf = async (selector: string): Promise<string> => (await page.locator(selector).innerText()).trim()
  const untilText = (selector: string, expected: string | RegExp) =>
    until(`${selector} is ${String(expected)}`, async () => {
      const text = (await page.locator(selector).innerText()).trim()
      return typeof expected === "string" ? text === expected : expected.test(text)
    }).catch(async (failure: unknown) => {
      throw new Error(`${String(failure)}; it is ${await textOf(selector)}`)
    })
  const userHash = (userId: string) => `/#${new URLSearchParams({ user: userId })}`

  it("the dashboard shows purchases as they are applied, and the state of workers and partitions", async () => {
    await open(operate)
    expect(await textOf("#newest-empty")).toBe("Nothing was applied since this page was opened.")
    await buy("ann", "n1", { value: 1_299.9, quantity: 3 })
    await page.locator("#newest tbody tr").first().waitFor()
    const cells = await page.locator("#newest tbody tr").first().locator("td").allInnerTexts()
    expect(cells).toEqual([expect.stringMatching(/^\d\d:\d\d:\d\d$/), "ann", "Lamp", "3", "3,899.70"])
    await untilText("#latency-median", /^\d+$/)
    expect(await textOf("#latency-note")).toMatch(/^p99 \d+ ms, of 1 seen in a minute/)
    expect(await page.locator("#partitions li").count()).toBe(4)
    await until("each partition has its owner", async () =>
      (await page.locator("#partitions .owner").allInnerTexts()).every((owner) => owner === "worker-1")
    )
    // A poll between the storing of the purchase and its acknowledgement may still show the purchase as waiting.
    await until("nothing waits in any partition", async () => {
      return (await page.locator("#partitions .number").allInnerTexts()).join() === "0,0,0,0"
    })
    await untilText("#workers tbody th", "worker-1")
    expect(await textOf("#workers tbody td:nth-child(2)")).toBe("0–3")
    await untilText("#workers tbody td:nth-child(4)", /^[1-9]\d*\s+since \d\d \w+ \d{4}, \d\d:\d\d:\d\d UTC$/)
    expect(complaints).toEqual([])
  })

  it("the dashboard tells the rates of purchases and repeats", async () => {
    await open(operate)
    await untilText("#applied", "0")
    // The line shows the highest rate of the last two minutes, which a look at the figure could miss.
    await page.evaluate(`
      window.seen = { applied: new Set(), repeats: new Set() }
      for (const id of ["applied", "repeats"]) {
        const figure = document.getElementById(id)
        new MutationObserver(() => window.seen[id].add(figure.textContent)).observe(figure, { childList: true })
      }`)
    await service.get("/generate/500/rates")
    await service.get("/duplicate/400/rates")
    const above0 = (id: string) => page.evaluate(`[...window.seen.${id}].some((text) => /[1-9]/.test(text))`)
    await until("a rate of purchases was shown", async () => (await above0("applied")) === true)
    await until("a rate of repeats was shown", async () => (await above0("repeats")) === true)
    await untilText("#applied-note", /^highest seen in two minutes: [1-9][\d,.]* \/s$/)
  })

  it("the dashboard shows a user's total, spending, history page by page, and a receipt", async () => {
    for (let number = 1; number <= 12; number += 1) await buy("bob", `b${number}`, { value: 0.1, quantity: number })
    await buy("bob", "b12", { value: 0.1, quantity: 12 })
    await open()
    await page.getByRole("textbox", { name: "User" }).fill("bob")
    await page.getByRole("button", { name: "Show" }).click()
    await untilText("#user-total", "7.80")
    expect(await textOf("#user-count")).toBe("12 purchases, exact and current")
    expect(new URL(page.url()).hash).toBe("#user=bob")

    expect(await page.locator("#history tbody tr").count()).toBe(10)
    expect(await textOf("#history-note")).toBe("12 to 3 of 12")
    expect((await page.locator("#history tbody tr").first().locator("td").allInnerTexts()).slice(2)).toEqual([
      "Lamp",
      "12",
      "1.20",
      "7.80",
      "b12"
    ])
    await page.locator("#history-older").click()
    await untilText("#history-note", "2 to 1 of 12")
    expect(await page.locator("#history-older").isDisabled()).toBe(true)
    await page.locator("#history-newest").click()
    await untilText("#history-note", "12 to 3 of 12")

    expect(await page.locator("#spending-chart ol").getAttribute("aria-label")).toBe(
      "Spending: 7.80 USD in 12 purchases over 30 days, UTC"
    )
    expect(await page.locator("#spending-chart ol > li").count()).toBe(30)
    expect(await page.locator("#spending-chart ol a").count()).toBe(1)
    await page.getByLabel("Hours").check()
    await page.locator("#spending-chart ol[aria-label*='24 hours']").waitFor()
    await page.locator("#spending-chart summary").click()
    expect((await page.locator("#spending-chart tbody tr").first().locator("td").allInnerTexts()).at(-1)).toBe("7.80")

    await page.getByRole("link", { name: "b12", exact: true }).click()
    await page.locator("#receipt dd").first().waitFor()
    const receipt = await textOf("#receipt-members")
    for (const part of ["b12", "12 × 0.10 = 1.20 USD", "7.80 USD, as purchase 12", "With other content\nnever"]) {
      expect(receipt).toContain(part)
    }
    await page.keyboard.press("Escape")
    expect(await page.locator("#receipt").isVisible()).toBe(false)
    expect(complaints).toEqual([])
  })

  it("the dashboard follows the account that it shows", async () => {
    await buy("cid", "c1")
    await open(userHash("cid"))
    await untilText("#user-total", "25.00")
    await buy("cid", "c2")
    await untilText("#user-total", "50.00")
    await untilText("#history-note", "2 to 1 of 2")
  })

  it("the dashboard generates purchases, sends one purchase many times, and shows both outcomes", async () => {
    await open(userHash("dora"))
    await untilText("#user-total", "0.00")
    expect(await textOf("#history-empty")).toBe("No purchase of this user was applied.")
    await page.getByLabel("Purchases", { exact: true }).fill("1200")
    await page.getByRole("button", { name: "Generate" }).click()
    await untilText("#actions-message", "1,200 purchases stored.")
    await untilText("#user-count", "1,200 purchases, exact and current")
    await page.getByLabel("Purchases", { exact: true }).fill("50")
    await page.getByRole("button", { name: "Duplicate" }).click()
    await untilText("#actions-message", "One purchase was sent 50 times; it counts once.")
    await untilText("#user-count", "1,201 purchases, exact and current")
    const account = JSON.parse((await service.get("/users/dora/total")).body) as { purchaseCount: number }
    expect(account.purchaseCount).toBe(1_201)
    expect(complaints).toEqual([])
  })

  it("the dashboard shows the refusals of the service, in the words of the service", async () => {
    await open()
    await page.getByRole("textbox", { name: "User" }).fill("a/b")
    await page.getByRole("button", { name: "Show" }).click()
    const { body } = await service.get("/users/a%2Fb/total")
    await untilText("#user-message", (JSON.parse(body) as { detail: string }).detail)
    expect(await page.locator("#user-account").isVisible()).toBe(false)
  })

  it("the dashboard shows ids and texts as they are, even if they look like HTML", async () => {
    const nasty = [`<img src=x onerror="window.hacked=1">`, `購入者 "q" 'é' & <b>`, `../x?y#z`.replaceAll("/", "|")]
    for (const userId of nasty) {
      await open(operate)
      const purchaseId = `<script>window.hacked=1<${"|"}script> ${userId.slice(0, 20)}`
      const product = `<svg onload="window.hacked=1"> ${userId}`
      expect((await buy(userId, purchaseId, { productName: product, productType: "<i>" })).status).toBe(201)
      const row = page.locator("#newest tbody tr").first()
      await row.waitFor()
      expect((await row.locator("td").allInnerTexts()).slice(1, 3)).toEqual([userId, product])
      await row.getByRole("link").first().click()
      await untilText("#user-name", userId)
      await untilText("#user-total", "25.00")
      await page.locator("#history tbody a").first().click()
      await page.locator("#receipt dd").first().waitFor()
      expect(await page.locator("#receipt dd").allInnerTexts()).toContain(purchaseId)
      await page.reload()
      await untilText("#user-name", userId)
      expect(await page.evaluate("[document.images.length, window.hacked]")).toEqual([1, undefined])
      expect(complaints).toEqual([])
    }
  })

  it("the dashboard can be used by keyboard alone", async () => {
    await buy("eve", "e1")
    await open(userHash("nobody"))
    const focused = () =>
      page.evaluate<string>("document.activeElement.id || document.activeElement.textContent.trim()")
    const tabTo = async (what: string) => {
      for (let press = 0; (await focused()) !== what; press += 1) {
        if (press > 60) throw new Error(`no Tab leads to ${what}`)
        await page.keyboard.press("Tab")
        const outline = await page.evaluate<string>(
          "getComputedStyle(document.activeElement.closest('label') ?? document.activeElement).outlineStyle"
        )
        expect({ focused: await focused(), outline }).toEqual({ focused: expect.any(String), outline: "solid" })
      }
    }
    await tabTo("To the content")
    await tabTo("user-id")
    await page.keyboard.type("eve")
    await page.keyboard.press("Enter")
    await untilText("#user-total", "25.00")
    await tabTo("Generate")
    await page.keyboard.press("Enter")
    await untilText("#user-count", "101 purchases, exact and current")
    const newest = await textOf("#history tbody a >> nth=0")
    await tabTo(newest)
    await page.keyboard.press("Enter")
    await page.locator("#receipt dd").first().waitFor()
    await page.keyboard.press("Escape")
    await until("the dialog is closed", async () => !(await page.locator("#receipt").isVisible()))
    expect(await focused()).toBe(newest)

    /** Expects that every control of the shown view is reached, one after another. */
    const expectAllReached = async () => {
      const usable = await page.evaluate<number>(`
        [...document.querySelectorAll("a,button,input,select,summary,[tabindex='0']")].filter(
          (element) => element.checkVisibility() && !element.disabled && (element.type !== "radio" || element.checked)
        ).length`)
      await page.evaluate("document.activeElement.blur(); document.getElementById('newest-pause').click()")
      const reached = new Set<number>()
      const all = "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
      // A field for a time has up to eight parts, and each takes the focus.
      const parts = 8 * (await page.locator("input[type=datetime-local]:visible").count())
      for (let press = 0; press < usable + parts + 5; press += 1) {
        await page.keyboard.press("Tab")
        if (await page.evaluate<boolean>("document.activeElement !== document.body")) {
          reached.add(await page.evaluate<number>(all))
        }
      }
      expect(reached.size).toBe(usable)
    }
    await expectAllReached()
    await page.locator(".skip").focus()
    await tabTo("to-operate")
    await page.keyboard.press("Enter")
    await page.locator("#operate").waitFor()
    await page.locator("#partitions li").first().waitFor()
    await expectAllReached()
  })

  it("the list of newest purchases does not move while it has the pointer or the focus, or is paused", async () => {
    await open(operate)
    await buy("fay", "f1")
    const user = page.locator("#newest tbody a").first()
    await user.focus()
    await buy("gus", "g1")
    await untilText("#newest-note", "held")
    expect(await textOf("#newest tbody a >> nth=0")).toBe("fay")
    await user.blur()
    await untilText("#newest tbody a >> nth=0", "gus")
    await page.locator("#newest-pause").click()
    expect(await page.locator("#newest-pause").getAttribute("aria-pressed")).toBe("true")
    await buy("hal", "h1")
    await untilText("#latency-note", /of 3 seen/)
    expect(await textOf("#newest tbody a >> nth=0")).toBe("gus")
    await page.locator("#newest-pause").click()
    await untilText("#newest tbody a >> nth=0", "hal")
  })

  it("the dashboard shows a rejected purchase, and sends it again with the correction", async () => {
    await open(operate)
    await reject("ivy")
    await untilText("#rejected tbody td:nth-child(4)", "no")
    expect(await textOf("#rejected tbody code")).toContain("-1250")
    await page.getByRole("button", { name: /^Replay / }).click()
    await page.locator("#replay-form").waitFor()
    const price = page.getByLabel("Price of a piece, USD")
    expect(await price.inputValue()).toBe("-12.50")
    await page.getByRole("button", { name: "Replay", exact: true }).click()
    await untilText("#replay-message", /value/)
    expect(await page.locator("#replay-message").getAttribute("data-kind")).toBe("problem")
    await price.fill("12.50")
    await page.getByRole("button", { name: "Replay", exact: true }).click()
    await untilText("#replay-message", /^It is (applied|stored)/)
    await keepScreenshot(page, "replay")
    await page.keyboard.press("Escape")
    await untilText("#rejected tbody td:nth-child(4)", "applied")
    const total = JSON.parse((await service.get("/users/ivy/total")).body) as { total: number; purchaseCount: number }
    expect(total).toMatchObject({ total: 25, purchaseCount: 1 })
    await page.getByRole("button", { name: /^Trail of / }).click()
    await untilText("#replay-trail li >> nth=-1", /applied, 25\.00 USD for ivy as wrong$/)
    expect(await page.locator("#replay-form").isVisible()).toBe(false)
    // The browser also reports refusals of the service as errors.
    expect(complaints).toEqual([expect.stringContaining("422")])
  })

  it("the dashboard shows new purchases after its feed has ended, or was reset to another place", async () => {
    await open(operate)
    let asked = 0
    let last = ""
    await page.route(/\/feed(?:\?|$)/, async (route) => {
      asked += 1
      last = new URL(route.request().url()).search
      if (asked > 2) return route.continue()
      const end = 'event: end\ndata: {"reason":"too-slow","detail":"-"}\n\n'
      const body = asked === 1 ? end : `event: reset\nid: 9\ndata: {"reason":"x"}\n\n${end}`
      return route.fulfill({ contentType: "text/event-stream", body })
    })
    await page.reload()
    await until("the feed was asked for a third time", () => asked >= 3)
    expect(last).toBe("?lastEventId=9")
    await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
    await buy("joe", "j1")
    await untilText("#newest tbody a >> nth=0", "joe")
  })

  it("the dashboard keeps up with a flood of purchases, and draws only the newest of them", async () => {
    await open(operate)
    await page.evaluate(`
      window.begun = performance.now()
      window.drawn = 0
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) window.drawn += addedNodes.length
      }).observe(document.querySelector("#newest tbody"), { childList: true })`)
    await service.get("/generate/20000/kim")
    await service.get("/users/kim/total")
    await buy("last", "l1")
    await untilText("#newest tbody a >> nth=0", "last")
    expect(await page.locator("#newest tbody tr").count()).toBe(20)
    const [rows, milliseconds] = await page.evaluate<[number, number]>(
      "[window.drawn, performance.now() - window.begun]"
    )
    // The bound holds for a flood of any length: 20 rows each 400 ms, and one drawing that was due when the flood
    // began.
    expect(rows).toBeLessThanOrEqual(20 * (milliseconds / 400 + 1))
  })

  it.each(["light", "dark"] as const)("the dashboard is readable when it is %s", async (colorScheme) => {
    const userId = `lea-${colorScheme}`
    await buy(userId, "l1", { value: 45_678.9 })
    await open(userHash(userId), 1_280, { colorScheme })
    await untilText("#user-total", "91,357.80")
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, colorScheme)
    await open(operate, 1_280, { colorScheme })
    await buy(userId, "l2")
    await page.locator("#newest tbody tr").first().waitFor()
    await reject("jon")
    await page.locator("#rejected tbody tr").first().waitFor()
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, `${colorScheme}-operate`)
    await page.locator("#newest tbody a").first().click()
    await page.locator("#history tbody a").first().click()
    await page.locator("#receipt dd").first().waitFor()
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, `${colorScheme}-receipt`)
  })

  it.each([390, 360])("the dashboard fits a phone of %i points", async (width) => {
    await buy("a-user-with-a-name-as-long-as-they-may-be-0123456789-0123456789", "m1", {
      value: 1_000_000,
      quantity: 10_000
    })
    await open(userHash("a-user-with-a-name-as-long-as-they-may-be-0123456789-0123456789"), width, {
      isMobile: true,
      hasTouch: true
    })
    await untilText("#user-total", "10,000,000,000.00")
    expect(await page.evaluate("[innerWidth, document.documentElement.scrollWidth]")).toEqual([width, width])
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, `phone-${width}`)
    await page.locator("#to-operate").click()
    await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
    await buy("mia", `m2-${width}`)
    await page.locator("#newest tbody tr").first().waitFor()
    await reject("jon")
    await page.locator("#rejected tbody tr").first().waitFor()
    expect(await page.evaluate("[innerWidth, document.documentElement.scrollWidth]")).toEqual([width, width])
    expect(await accessibilityMistakes(page)).toEqual([])
    await keepScreenshot(page, `phone-${width}-operate`)
    await page.locator("#to-support").click()
    await page.locator("#history tbody a").first().click()
    await page.locator("#receipt dd").first().waitFor()
    const box = await page.locator("#receipt").boundingBox()
    expect(box?.width).toBeLessThanOrEqual(width)
    await keepScreenshot(page, `phone-${width}-receipt`)
  })

  it("the dashboard says that the broker is gone, and goes on when the broker is back", async () => {
    await open(userHash("bob"))
    await untilText("#user-total", "7.80")
    await service.broker.kill()
    await untilText("#connection", "No answer. Asking again.")
    expect(await textOf("#health-heading")).toBe("The state of the service is not known")
    expect(await textOf("#health-detail")).toMatch(
      /^Purchases cannot be stored: there is no connection to the broker\./
    )
    expect(await page.locator("body").getAttribute("class")).toBe("stale")
    await keepScreenshot(page, "broker-gone")
    await page.getByRole("button", { name: "Generate" }).click()
    await untilText("#actions-message", /^0 purchases were stored before this failed: /)
    await service.broker.run()
    await untilText("#connection", "Stored and applied")
    expect(await page.locator("#health").isVisible()).toBe(false)
    await page.locator("#to-operate").click()
    await page.locator("#newest[data-feed=live]").waitFor({ state: "attached" })
    await buy("ned", "n1")
    await untilText("#newest tbody a >> nth=0", "ned")
    expect(await page.locator("body").getAttribute("class")).toBe("")
  })
})
