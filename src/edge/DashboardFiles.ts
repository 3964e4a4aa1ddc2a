import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { extname } from "node:path"

/** What the files of the dashboard are to a browser. */
const mediaTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml"
}

/** The page itself, which is served at `/`. */
const pageName = "page.html"

export interface DashboardFile {
  readonly mediaType: string
  readonly text: string
  /** Names the content. */
  readonly tag: string
}

const directory = new URL("../dashboard/", import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, directory), "utf8")

export const dashboardMediaTypes = Object.values(mediaTypes)
export const dashboardPageText = read(pageName)

/** What the page loads, by name. A browser gets the files as they are: there is no build step. */
export const dashboardFiles: ReadonlyMap<string, DashboardFile> = new Map(
  readdirSync(directory).flatMap((name) => {
    const mediaType = mediaTypes[extname(name)]
    if (mediaType === undefined) return []
    const text = read(name)
    return [[name, { mediaType, text, tag: createHash("sha256").update(text).digest("base64url").slice(0, 16) }]]
  })
)
