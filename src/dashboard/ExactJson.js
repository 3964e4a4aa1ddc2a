/**
 * Reads JSON with its amounts as text, so that no amount goes through a float. The service writes amounts with a
 * decimal point, and writes all numbers that are no amounts without a decimal point. Throws an Error if the browser's
 * JSON.parse does not give the source text of numbers.
 *
 * @param {string} text
 * @returns {any}
 */
export const parseExact = (text) => {
  /** @type {(key: string, value: unknown, context?: { source?: string }) => unknown} */
  const revive = (_key, value, context) => {
    if (typeof value !== "number") return value
    if (context?.source === undefined) throw new Error("This browser is too old to read amounts exactly.")
    return context.source.includes(".") ? context.source : value
  }
  return JSON.parse(text, revive)
}
