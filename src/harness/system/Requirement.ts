import type { TestOptions } from "vitest"

/** A tool that some tests need, and that a machine may lack. */
export interface Requirement {
  /** The words that follow the number of tests, like "in a browser". */
  readonly tests: string
  /** The thing that this machine lacks, like "no Chromium"; `undefined` if it lacks nothing. */
  readonly missing: string | undefined
  /** How to install the missing thing, in whole sentences. */
  readonly remedy: string
}

declare module "vitest" {
  interface TaskMeta {
    /** The reason why a test is skipped, for the lines at the end of a run. The line adds the number of tests. */
    skippedFor?: { readonly tests: string; readonly because: string }
  }
}

/**
 * Returns the options of a test or a group of tests that need something. If it is missing, they are skipped, and the
 * end of the run says how to install it. Use it as `describe("…", needs(browser), () => { … })`.
 */
export const needs = (...requirements: ReadonlyArray<Requirement>): TestOptions => {
  const unmet = requirements.find(({ missing }) => missing !== undefined)
  if (unmet === undefined) return {}
  return { skip: true, meta: { skippedFor: { tests: unmet.tests, because: `${unmet.missing}. ${unmet.remedy}` } } }
}
