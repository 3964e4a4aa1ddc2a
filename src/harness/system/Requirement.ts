import type { TestOptions } from "vitest"

/** A tool that some tests need, and that a machine may lack. */
export interface Requirement {
  /** The words that follow the number of skipped tests in the report of a test run, like "in a browser". */
  readonly tests: string
  /**
   * The thing that this machine lacks, like "no Chromium"; `undefined` if the machine has everything that the tests
   * need.
   */
  readonly missing: string | undefined
  /** How to install the missing tool, in whole sentences. */
  readonly remedy: string
}

declare module "vitest" {
  interface TaskMeta {
    /**
     * The reason why a test is skipped. The end of a test run has a line for each reason, with the number of skipped
     * tests.
     */
    skippedFor?: { readonly tests: string; readonly because: string }
  }
}

/**
 * Returns the options for a test, or a group of tests, that needs some tools. If a tool is missing, the test or the
 * group is skipped, and the end of the test run says how to install the tool. Use `needs` as in `describe("…",
 * needs(browser), () => { … })`.
 */
export const needs = (...requirements: ReadonlyArray<Requirement>): TestOptions => {
  const unmet = requirements.find(({ missing }) => missing !== undefined)
  if (unmet === undefined) return {}
  return { skip: true, meta: { skippedFor: { tests: unmet.tests, because: `${unmet.missing}. ${unmet.remedy}` } } }
}
