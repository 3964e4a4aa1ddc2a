import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { projectRoot } from "../support/TestBroker.ts"

it("the README names the version of the time zone data that the pinned Node has", () => {
  const readme = readFileSync(join(projectRoot, "README.md"), "utf8")
  const [, named] = /The pinned Node has version (\w+) of it/.exec(readme) ?? []
  expect(named).toBe(process.versions["tz"])
})
