import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

it("docs/http-api.md names the version of the time zone data that the pinned Node has", () => {
  const page = readFileSync(join(projectRoot, "docs/http-api.md"), "utf8")
  const [, named] = /has version (\w+) of the\s+time zone data/.exec(page) ?? []
  expect(named).toBe(process.versions["tz"])
})
