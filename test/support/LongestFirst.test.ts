import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { createVitest } from "vitest/node"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { LongestFirst, longestFiles } from "./LongestFirst.ts"

describe("The order of the files of tests", () => {
  it.each(longestFiles)("the file %s, which is named as a long file, exists", (file) => {
    expect(existsSync(join(projectRoot, file))).toBe(true)
  })

  it("the long files of tests come first, and the longest of them before all other files", async () => {
    const vitest = await createVitest("test", { root: projectRoot, watch: false, reporters: [] })
    try {
      const files = await vitest.globTestSpecifications()
      const sorted = await new LongestFirst(vitest).sort(files.toReversed())
      const first = sorted.slice(0, longestFiles.length).map(({ moduleId }) => moduleId)
      expect(first).toEqual(longestFiles.map((file) => join(projectRoot, file)))
      expect(sorted).toHaveLength(files.length)
    } finally {
      await vitest.close()
    }
  })
})
