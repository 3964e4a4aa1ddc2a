import { describe, expect, it } from "vitest"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { linkedDocuments, pages, readme } from "./Documents.ts"
import { anchorsOf, linksOf, problemOf } from "./Links.ts"

const readmeLinesMax = 200
const readmeBytesMax = 10 * 1024
const performanceLinesMax = 80

const linesOf = (text: string): number => text.trimEnd().split("\n").length

describe("documents", () => {
  it.each(linkedDocuments)("$path has links that all lead somewhere", (document) => {
    const broken = linksOf(document.text).flatMap((link) => {
      const problem = problemOf(projectRoot, document, link)
      return problem === undefined ? [] : [`${document.path}:${link.line}: ${problem}`]
    })
    expect(broken).toEqual([])
  })

  it("each document is in the index of docs/README.md, and each decision in the index of docs/decisions", () => {
    const linkedFrom = (index: string): ReadonlyArray<string> =>
      linksOf(pages.find(({ path }) => path === index)?.text ?? "").map(({ target }) => target)
    const isListed = (path: string): boolean => {
      const [, folder = "", name = ""] = /^(.*\/)([^/]+)$/.exec(path) ?? []
      return linkedFrom(`${folder}README.md`).includes(name)
    }
    const paths = pages.map(({ path }) => path)
    expect(paths.filter((path) => !path.endsWith("/README.md") && !isListed(path))).toEqual([])
    expect(linkedFrom("docs/README.md")).toContain("decisions/README.md")
  })

  it("README has at most 200 lines and 10 KB, and docs/performance.md has at most 80 lines", () => {
    expect(linesOf(readme.text)).toBeLessThanOrEqual(readmeLinesMax)
    expect(Buffer.byteLength(readme.text)).toBeLessThanOrEqual(readmeBytesMax)
    const performance = pages.find(({ path }) => path === "docs/performance.md")
    expect(linesOf(performance?.text ?? "")).toBeLessThanOrEqual(performanceLinesMax)
  })
})

describe("links of a document", () => {
  const document = { path: "docs/README.md", text: "# One thing\n\n## One `thing`, again!\n\n## One thing\n" }

  it("links of a document are found in prose and not in code", () => {
    const text = "[a](a.md) ![b](b.png)\n```\n[c](c.md)\n```\nand `[d](d.md)` [`e`](e.md#f)"
    expect(linksOf(text)).toEqual([
      { target: "a.md", line: 1 },
      { target: "b.png", line: 1 },
      { target: "e.md#f", line: 5 }
    ])
  })

  it("links lead to headings by the anchors that GitHub makes", () => {
    expect([...anchorsOf(document.text)]).toEqual(["one-thing", "one-thing-again", "one-thing-1"])
  })

  it.each([
    ["architecture.md", undefined],
    ["#one-thing-1", undefined],
    ["../src", undefined],
    ["https://example.com/missing", undefined],
    ["missing.md", "docs/missing.md does not exist"],
    ["#two-things", "docs/README.md has no heading for #two-things"],
    ["../src#main", "src is a folder, which has no headings"],
    ["../../elsewhere.md", "../../elsewhere.md is outside of the project"]
  ])("a link to %s has the problem %s", (target, problem) => {
    expect(problemOf(projectRoot, document, { target, line: 1 })).toBe(problem)
  })
})
