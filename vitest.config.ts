import { resolve } from "node:path"
import { defineConfig } from "vitest/config"
import { LongestFirst } from "./test/support/LongestFirst.ts"
import { SkippedTests } from "./test/support/SkippedTests.ts"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/FetchedBroker.ts"],
    // The programs that tests start share their compiled code.
    env: { NODE_COMPILE_CACHE: resolve("node_modules/.cache/node") },
    // The tests of one file share a broker; files run side by side, as many as there are cores.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 180_000,
    hookTimeout: 120_000,
    reporters: process.env["CI"]
      ? ["default", ["json", { outputFile: ".data/test-report.json" }], new SkippedTests()]
      : ["default", new SkippedTests()]
  }
})
