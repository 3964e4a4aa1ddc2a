import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import type { Document } from "./Documents.ts"

/** A link of a document to a file or a heading. */
export interface Link {
  readonly target: string
  /** The line of the document. */
  readonly line: number
}

const linkPattern = /\[[^\]]*\]\(([^)\s]+)\)/g
const codeSpan = /`[^`]*`/g

/** Returns the lines of a Markdown text that are not in a block of code, with their numbers. */
const proseOf = (text: string): ReadonlyArray<{ readonly line: number; readonly text: string }> => {
  let isCode = false
  return text.split("\n").flatMap((line, index) => {
    if (line.startsWith("```")) {
      isCode = !isCode
      return []
    }
    return isCode ? [] : [{ line: index + 1, text: line }]
  })
}

/** Returns the links of a document, pictures among them. Code has no links. */
export const linksOf = (text: string): ReadonlyArray<Link> =>
  proseOf(text).flatMap(({ line, text: prose }) =>
    Array.from(prose.replaceAll(codeSpan, "code").matchAll(linkPattern), ([, target = ""]) => ({ target, line }))
  )

/** Returns the anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(/\s/g, "-")

/** Returns the anchors of a Markdown text. The anchor of a heading that comes again gets a number. */
export const anchorsOf = (text: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  for (const { text: line } of proseOf(text)) {
    const [, heading] = /^#{1,6} (.+)$/.exec(line) ?? []
    if (heading === undefined) continue
    const anchor = anchorOf(heading)
    let number = 0
    while (anchors.has(number === 0 ? anchor : `${anchor}-${number}`)) number += 1
    anchors.add(number === 0 ? anchor : `${anchor}-${number}`)
  }
  return anchors
}

/**
 * Returns why a link leads nowhere; `undefined` if the link leads to a file or a heading. Links to other sites are not
 * followed.
 */
export const problemOf = (root: string, { path, text }: Document, { target }: Link): string | undefined => {
  if (/^https?:/.test(target)) return undefined
  const [file = "", anchor] = target.split("#")
  const place = file === "" ? path : normalize(join(dirname(path), file))
  if (place.startsWith("..")) return `${target} is outside of the project`
  if (!existsSync(join(root, place))) return `${place} does not exist`
  if (anchor === undefined) return undefined
  if (!statSync(join(root, place)).isFile()) return `${place} is a folder, which has no headings`
  const anchors = anchorsOf(file === "" ? text : readFileSync(join(root, place), "utf8"))
  return anchors.has(anchor) ? undefined : `${place} has no heading for #${anchor}`
}
