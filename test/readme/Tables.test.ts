import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { routes } from "../../src/edge/server/Routes.ts"
import { permissionsTable } from "../../src/nats/BrokerPermissions.ts"
import { invariants } from "../../src/harness/Invariant.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { pages, readme } from "./Documents.ts"

const sources = globSync("src/**/*.ts", { cwd: projectRoot }).map((path) =>
  readFileSync(join(projectRoot, path), "utf8")
)

/** Returns the names that a pattern finds in `src`, each once and in order. */
const namesIn = (texts: ReadonlyArray<string>, pattern: RegExp): ReadonlyArray<string> =>
  [...new Set(texts.flatMap((text) => Array.from(text.matchAll(pattern), ([, name = ""]) => name)))].toSorted()

/** Returns the names between backticks in the first column of a page's tables. */
const listedIn = (path: string): ReadonlyArray<string> => {
  const text = pages.find((page) => page.path === path)?.text ?? ""
  const columns = namesIn([text], /^\| ([^|]+) \|/gm)
  return namesIn(columns, /`([^`]+)`/g)
}

describe("tables of the documents", () => {
  it("docs/configuration.md lists every setting of the processes, except those for tests", () => {
    const source = readFileSync(join(projectRoot, "src/Settings.ts"), "utf8")
    const listed = listedIn("docs/configuration.md")
    const unlisted = namesIn([source], /"([A-Z_]{4,})"/g).filter((name) => !listed.includes(name))
    expect(unlisted).toEqual(["TEST_CRASH_POINT", "TEST_HEADS_REVISIONS", "TEST_WEBHOOK_LOOPBACK"])
  })

  it("docs/metrics.md lists exactly the metrics that the processes have", () => {
    const metrics = namesIn(sources, /(?:counter|histogram|setGauge)\(\s*"([a-z_]+)"/g)
    expect(listedIn("docs/metrics.md")).toEqual(metrics)
  })

  it("docs/broker-roles.md has the permissions from which the configuration of the broker is made", () => {
    const cells = (text: string) => Array.from(text.matchAll(/^\|.*\|$/gm), ([row]) => row.replaceAll(/\s*\|\s*/g, "|"))
    const text = pages.find(({ path }) => path === "docs/broker-roles.md")?.text ?? ""
    expect(cells(text)).toEqual(cells(permissionsTable()))
  })

  it("docs/protocol.md has the invariants by which the checks name what breaks", () => {
    const text = pages.find(({ path }) => path === "docs/protocol.md")?.text ?? ""
    const rows = Array.from(text.matchAll(/^\| ([IA]\d) \| ([^|]+) \|/gm), ([, id = "", promise = ""]) => [id, promise])
    expect(Object.fromEntries(rows)).toEqual(invariants)
  })

  it("the README lists every route but the files of the dashboard", () => {
    const isListed = (path: string): boolean =>
      readme.text.includes(`${path}\``) ||
      (path.startsWith("/idempotent-test/") && readme.text.includes("/idempotent-test/…`"))
    const paths = routes.map(({ path }) => path).filter((path) => !path.startsWith("/dashboard/"))
    expect(paths.filter((path) => !isListed(path))).toEqual([])
  })
})
