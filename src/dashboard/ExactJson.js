/**
 * Reads JSON with its amounts as the texts that stand there, for all of them are written with a point and nothing else
 * is: no amount goes through a float.
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
