import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { launchChromium } from "../src/harness/system/Browser.ts"
import { freePort, projectRoot, TestBroker, until } from "../src/harness/system/TestBroker.ts"
import { setUpStreams, testSettings } from "../src/harness/system/TestLedger.ts"
import { TestProcess } from "../src/harness/system/TestProcess.ts"

const usage = `usage: npm run picture

Starts a ledger, makes purchases for 45 seconds, and draws the dashboard into docs/dashboard.png.`

const buyMilliseconds = 45_000
const customers = ["ann@x.org", "bob", "café-12", "dora", "erin", "購入者", "k.lopez", "mia"]
const shown = "ann@x.org"
const picturePath = join(projectRoot, "docs/dashboard.png")

if (process.argv.length > 2) {
  process.stdout.write(`${usage}\n`)
  process.exit(process.argv.includes("--help") ? 0 : 2)
}

const browser = await launchChromium()
const broker = await TestBroker.start()
const port = await freePort()
await setUpStreams(testSettings({ NATS_URL: broker.url }))
const common = { NATS_URL: broker.url, PORT: String(port), DEMO: "true" }
const processes = [
  new TestProcess("edge", common),
  new TestProcess("worker", { ...common, WORKER_ID: "worker-1" }),
  new TestProcess("worker", { ...common, WORKER_ID: "worker-2" })
]
const url = `http://127.0.0.1:${port}`

/** Stores purchases in waves, like the waves of days, until a time of `performance.now`. */
const buy = async (until: number): Promise<void> => {
  for (let turn = 0; performance.now() < until; turn += 1) {
    const customer = encodeURIComponent(customers[turn % customers.length] ?? "")
    const many = Math.round(60 + 50 * Math.sin(turn / 14))
    await fetch(`${url}/generate/${many}/${customer}`)
    if (turn % 5 === 0) await fetch(`${url}/duplicate/30/${customer}`)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
}

/** Takes one piece of the newest purchase of the shown customer back. */
const reverseNewest = async (): Promise<void> => {
  const path = `${url}/users/${encodeURIComponent(shown)}/purchases`
  const { purchases } = (await (await fetch(`${path}?limit=1`)).json()) as { purchases: Array<{ purchaseId: string }> }
  const headers = { "content-type": "application/json", prefer: "wait=10" }
  const body = JSON.stringify({ quantity: 1, reason: "The parcel came back" })
  await fetch(`${path}/${purchases[0]?.purchaseId}/reversals`, { method: "POST", headers, body })
}

try {
  await until("the ledger answers", () =>
    fetch(`${url}/users/x/total`).then(
      ({ ok }) => ok,
      () => false
    )
  )
  const page = await browser.newPage({ viewport: { width: 1_280, height: 1_030 }, colorScheme: "light" })
  const bought = buy(performance.now() + buyMilliseconds)
  await page.goto(`${url}/#${new URLSearchParams({ user: shown })}`)
  await page.locator("#user-account").waitFor()
  await page.getByLabel("Hours").check()
  await bought
  await reverseNewest()
  await page.locator("#history .tag").first().waitFor()
  mkdirSync(dirname(picturePath), { recursive: true })
  await page.screenshot({ path: picturePath })
  process.stdout.write(`${picturePath}\n`)
} finally {
  await browser.close()
  await Promise.all(processes.map((process) => process.kill("SIGKILL")))
  await broker.stop()
}
