import { askLines } from "./Service.js"

/** The wait before a request of a back-test is sent again after the status 429, in milliseconds. */
const againMilliseconds = 3_000
/** The past time whose purchases a back-test of the page judges, in milliseconds: 30 days. */
const rangeMilliseconds = 30 * 86_400_000

/** @typedef {{ inWords: string, matches: number, purchases: number, isComplete: boolean }} Tested */

/** @param {AbortSignal} signal */
const untilAgain = (signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, againMilliseconds)
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true })
  })

/**
 * Tests a rule on the purchases of the last 30 days, and calls `told` with the result so far after each request. Throws
 * a ServiceProblem, or the reason of the aborted signal.
 *
 * @param {string} path the path of the back-tests of the user
 * @param {string} rule the rule as JSON
 * @param {AbortSignal} signal
 * @param {(tested: Tested) => void} told
 */
export const backTest = async (path, rule, signal, told) => {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: rule, signal }
  const from = new Date(Date.now() - rangeMilliseconds).toISOString()
  /** @type {Tested} */
  const tested = { inWords: "", matches: 0, purchases: 0, isComplete: false }
  let query = `?${new URLSearchParams({ from })}`
  while (!tested.isComplete) {
    const answer = await askLines(path + query, init, (line) => {
      if ("inWords" in line) tested.inWords = line.inWords
      if (!("matches" in line)) return
      tested.matches += line.matches
      tested.purchases += line.purchases
      tested.isComplete = line.next === undefined
      if (line.next !== undefined) query = new URL(line.next, location.href).search
    })
    if (answer === "busy") await untilAgain(signal)
    else told(tested)
  }
}
