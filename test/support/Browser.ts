import { existsSync, mkdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import { projectRoot } from "./TestBroker.ts"

/** Where a Chromium is, or why there is none. */
export type Chromium = { readonly path: string } | { readonly missing: string }

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
const elsewhere = [
  "/usr/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium"
]

/** Finds the machine's own Chromium: none is downloaded. The one that CHROMIUM names has to be there. */
export const findChromium = (): Chromium => {
  const { CHROMIUM, PATH = "" } = process.env
  if (CHROMIUM !== undefined && CHROMIUM !== "") {
    if (existsSync(CHROMIUM)) return { path: CHROMIUM }
    throw new Error(`CHROMIUM is ${CHROMIUM}, and there is no such file. Install Chromium, or leave CHROMIUM out.`)
  }
  const inPath = PATH.split(delimiter).flatMap((directory) => names.map((name) => join(directory, name)))
  const path = [...inPath, ...elsewhere].find((candidate) => existsSync(candidate))
  return path === undefined
    ? { missing: "no Chromium in PATH; install one (Debian: chromium), or name it in CHROMIUM" }
    : { path }
}

/** It asks nobody on the internet for anything. */
const quiet = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

export const launchChromium = (path: string): Promise<Browser> =>
  chromium.launch({
    executablePath: path,
    // Chromium's sandbox refuses to be started by root.
    args: [...quiet, ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])]
  })

/** Where tests keep their pictures; git ignores it. */
export const screenshots = join(projectRoot, ".data/screenshots")

/** Keeps a picture of the whole page. */
export const keepScreenshot = async (page: Page, name: string): Promise<void> => {
  mkdirSync(screenshots, { recursive: true })
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}
