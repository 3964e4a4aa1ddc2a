import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { extname } from "node:path"

/** The media types of the dashboard's files, by the ends of their names. */
const mediaTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml"
}

/** The name of the dashboard's page, which is served at `/`. */
const pageName = "page.html"

/** A file that the dashboard loads. */
export interface DashboardFile {
  readonly mediaType: string
  readonly text: string
  /** Identifies the content of the file, for an ETag. */
  readonly tag: string
}

const directory = new URL("../../dashboard/", import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, directory), "utf8")

export const dashboardMediaTypes = Object.values(mediaTypes)

/** The page with the buttons that store random purchases. */
export const demoPageText = read(pageName)
/** The page without the parts between `<!-- demo -->` and `<!-- end of demo -->`. */
export const dashboardPageText = demoPageText.replaceAll(/ *<!-- demo -->.*?<!-- end of demo -->\n/gs, "")

/** The files that the page loads, by name. A browser gets the files as they are, because there is no build step. */
export const dashboardFiles: ReadonlyMap<string, DashboardFile> = new Map(
  readdirSync(directory).flatMap((name) => {
    const mediaType = mediaTypes[extname(name)]
    if (mediaType === undefined) return []
    const text = read(name)
    return [[name, { mediaType, text, tag: createHash("sha256").update(text).digest("base64url").slice(0, 16) }]]
  })
)
