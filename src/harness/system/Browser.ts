import { existsSync, mkdirSync } from "node:fs"
import { delimiter, join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"
import type { Requirement } from "./Requirement.ts"
import { projectRoot } from "./TestBroker.ts"

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
const elsewhere = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium"
]

/**
 * Returns the path of the machine's Chromium; `undefined` if the machine has no Chromium. Throws an Error if the
 * variable CHROMIUM names a file that is missing.
 */
const findChromium = (): string | undefined => {
  const { CHROMIUM, PATH = "" } = process.env
  if (CHROMIUM !== undefined && CHROMIUM !== "") {
    if (existsSync(CHROMIUM)) return CHROMIUM
    throw new Error(`CHROMIUM is ${CHROMIUM}, and there is no such file. Install Chromium, or leave CHROMIUM out.`)
  }
  const inPath = PATH.split(delimiter).flatMap((directory) => names.map((name) => join(directory, name)))
  return [...inPath, ...elsewhere].find((candidate) => existsSync(candidate))
}

const executablePath = findChromium()

/** The requirement of tests that open a page in a browser. */
export const browserNeeded: Requirement = {
  tests: "in a browser",
  missing: executablePath === undefined ? "no Chromium" : undefined,
  remedy: "Install Debian's package chromium, or set CHROMIUM to a browser's path."
}

/** Options that keep Chromium from sending requests of its own. */
const quiet = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/**
 * Starts the machine's Chromium with the given options. Throws an Error that says how to install Chromium if the
 * machine has no Chromium.
 */
export const launchChromium = (options: ReadonlyArray<string> = []): Promise<Browser> => {
  const { missing, remedy } = browserNeeded
  if (executablePath === undefined) throw new Error(`${missing}. ${remedy}`)
  return chromium.launch({
    executablePath,
    // Chromium refuses to run its sandbox as root.
    args: [...quiet, ...options, ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])]
  })
}

/** The directory in which tests keep their pictures. Git ignores the directory of pictures. */
export const screenshots = join(projectRoot, ".data/screenshots")

/** Saves a picture of the whole page. */
export const keepScreenshot = async (page: Page, name: string): Promise<void> => {
  mkdirSync(screenshots, { recursive: true })
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}
