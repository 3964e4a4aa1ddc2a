import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { projectRoot } from "../../../src/harness/system/TestBroker.ts"

const support = join(projectRoot, "test/support")
const requirement = join(projectRoot, "src/harness/system/Requirement.ts")

const testFile = `
import { describe, expect, it } from "vitest"
import { needs } from "${requirement}"
const here = { tests: "with a shell", missing: undefined, remedy: "Install a shell." }
const java = { tests: "with Java", missing: "no java in PATH", remedy: "Install Debian's package default-jre." }
const parsers = { tests: "of parsers in Python", missing: "no python3", remedy: "Install python3." }
it("runs", needs(here), () => expect(1).toBe(1))
it("is skipped for no tool at all", { skip: true }, () => expect.unreachable())
describe("a group", needs(here, java), () => {
  it("is skipped", () => expect.unreachable())
  it.each([1, 2])("is skipped too, %i", () => expect.unreachable())
  describe("a group in it", () => it("is skipped as well", () => expect.unreachable()))
})
it("is skipped alone", { ...needs(parsers, java), timeout: 1_000 }, () => expect.unreachable())
`

const configuration = (directory: string) => `
import { SkippedTests } from "${support}/SkippedTests.ts"
export default { root: "${directory}", test: { reporters: ["default", new SkippedTests()] } }
`

let directory: string
beforeEach(() => {
  // The directory of the inner test run is in the project, because packages are searched in the directories above it.
  mkdirSync(join(projectRoot, ".data"), { recursive: true })
  directory = mkdtempSync(join(projectRoot, ".data/requirement-"))
})
afterEach(() => rmSync(directory, { recursive: true }))

const run = (test: string): Promise<string> => {
  writeFileSync(join(directory, "some.test.ts"), test)
  writeFileSync(join(directory, "vitest.config.ts"), configuration(directory))
  const vitest = join(projectRoot, "node_modules/vitest/vitest.mjs")
  const config = join(directory, "vitest.config.ts")
  const environment = { ...process.env, NO_COLOR: "1" }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [vitest, "run", "--config", config], { env: environment }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(stdout + stderr))
    )
  })
}

it("a test run ends with the number of skipped tests, the missing tools and how to install each tool", async () => {
  const output = await run(testFile)
  expect(output).toMatch(/1 passed \| 6 skipped/)
  expect(output.trimEnd().split("\n").slice(-2)).toEqual([
    "4 tests with Java were skipped: no java in PATH. Install Debian's package default-jre.",
    "1 test of parsers in Python was skipped: no python3. Install python3."
  ])
})

it("a test run in which no tool is missing does not mention tools", async () => {
  const output = await run(
    testFile.replaceAll(/missing: "[^"]*"/g, "missing: undefined").replaceAll("expect.unreachable()", "{}")
  )
  expect(output).toMatch(/6 passed \| 1 skipped/)
  expect(output).not.toMatch(/were skipped|was skipped/)
})
