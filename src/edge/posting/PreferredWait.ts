import { Schema } from "effect"
import type { Parameter } from "../route/Route.ts"

/**
 * The longest wait that `Prefer: wait` can ask for, in seconds. A wait above `preferWaitMax` is shortened to
 * `preferWaitMax`.
 */
const preferWaitMax = 30

/**
 * Reads the seconds of `Prefer: wait=N` (RFC 7240). Ignores unreadable preferences, and all preferences but `wait`, as
 * RFC 7240 says.
 */
export const preferredWait: Parameter<number | undefined> = {
  description: `\`wait=5\` waits up to 5 seconds until the purchase or reversal is applied. The longest wait is ${preferWaitMax} seconds.`,
  documented: Schema.String,
  read: (text = "") => {
    for (const preference of text.split(",")) {
      const match = /^\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?:;.*)?$/i.exec(preference)
      if (match !== null) return Math.min(Number(match[1]), preferWaitMax)
    }
    return undefined
  }
}
