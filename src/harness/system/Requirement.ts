import type { TestOptions } from "vitest"

/** A tool that some tests need and not every machine has. */
export interface Requirement {
  /** Names the tests after their number, like "in a browser". */
  readonly tests: string
  /** Says what this machine lacks, like "no Chromium"; `undefined` where it lacks nothing. */
  readonly missing: string | undefined
  /** Says how to get it, in whole sentences. */
  readonly remedy: string
}

declare module "vitest" {
  interface TaskMeta {
    /** Why a test is skipped, for the lines at the end of a run: all of it but the number of tests. */
    skippedFor?: { readonly tests: string; readonly because: string }
  }
}

/**
 * Returns the options of a test or a group of tests that need something. They are skipped where it is missing, and the
 * end of the run says which and how to get it: `describe("…", needs(browser), () => { … })`.
 */
export const needs = (...requirements: ReadonlyArray<Requirement>): TestOptions => {
  const unmet = requirements.find(({ missing }) => missing !== undefined)
  if (unmet === undefined) return {}
  return { skip: true, meta: { skippedFor: { tests: unmet.tests, because: `${unmet.missing}. ${unmet.remedy}` } } }
}
