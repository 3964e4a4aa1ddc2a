import type { Rule } from "./Answers.ts"
import type { CallOptions } from "./Transport.ts"

/** A rule as callers send it. The service fills in the members that are left out. */
export type NewRule = Pick<Rule, "measure" | "threshold"> & Partial<Rule>

/** The condition of a change of a rule. */
export interface ChangeOptions extends CallOptions {
  /**
   * The version that the rule must have before the change. If the rule has another version than `ifVersion`, the
   * service changes nothing.
   */
  readonly ifVersion?: number
}

export interface PutOptions extends ChangeOptions {
  /** Stores the rule only if the user has no rule of this id. */
  readonly onlyNew?: boolean
}

const number = /^-?[0-9]+(?:\.[0-9]+)?$/

/**
 * Writes a rule as JSON, with the exact digits of its threshold. Throws a TypeError if the threshold is not a number.
 */
export const ruleText = ({ threshold, ...rest }: NewRule): string => {
  if (typeof threshold !== "string" || !number.test(threshold)) {
    throw new TypeError(`${String(threshold)} is no threshold: write a string like "200.00", or "5" for a count`)
  }
  return `${JSON.stringify(rest).slice(0, -1)},"threshold":${threshold}}`
}

/** Returns the headers that make a change of a rule conditional. */
export const changeHeaders = ({ ifVersion, onlyNew = false }: PutOptions): Record<string, string> => ({
  ...(ifVersion === undefined ? {} : { "if-match": `"${ifVersion}"` }),
  ...(onlyNew ? { "if-none-match": "*" } : {})
})
