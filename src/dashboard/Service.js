import { parseExact } from "./ExactJson.js"

/**
 * The failure of a request to which the service answered with a problem, or did not answer. The message of the failure
 * is for people.
 */
export class ServiceProblem extends Error {
  /** @param {string} message @param {number} [status] of the answer; `undefined` if there was no answer */
  constructor(message, status) {
    super(message)
    this.status = status
  }
}

/** The name of the event that the window gets when an answer says that the token of this page has ended. */
export const signedOut = "signedout"

/**
 * Returns the detail of the problem in an answer, or a sentence with the status of the answer.
 *
 * @param {Response} response
 * @param {string} text
 */
const problemIn = (response, text) => {
  try {
    const { detail } = JSON.parse(text)
    if (typeof detail === "string") return detail
  } catch {
    // The body is not a problem of the service.
  }
  return `The answer was ${response.status} ${response.statusText}.`
}

/**
 * Sends a request to the service, and returns the JSON of the answer. Throws a ServiceProblem, or the reason of an
 * aborted signal.
 *
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
export const ask = async (path, init = {}) => {
  const headers = { accept: "application/json", ...init.headers }
  /** @type {Response} */
  let response
  /** @type {string} */
  let text
  try {
    response = await fetch(path, { cache: "no-cache", ...init, headers })
    text = await response.text()
  } catch (failure) {
    if (init.signal?.aborted) throw failure
    throw new ServiceProblem("The service cannot be reached.")
  }
  // The token has ended, so the page must ask the person for another token.
  if (response.status === 401 && !path.startsWith("session")) window.dispatchEvent(new Event(signedOut))
  if (!response.ok) throw new ServiceProblem(problemIn(response, text), response.status)
  return text === "" ? undefined : parseExact(text)
}

/** The status of a request that may be sent again in some seconds. */
const tooManyStatus = 429

/**
 * Sends a request to the service, and calls `heard` with each line of the answer as it comes. Returns `busy` if the
 * service can serve the request only later. Throws a ServiceProblem, or the reason of an aborted signal.
 *
 * @param {string} path
 * @param {RequestInit} init
 * @param {(line: any) => void} heard
 * @returns {Promise<"answered" | "busy">}
 */
export const askLines = async (path, init, heard) => {
  try {
    const response = await fetch(path, init)
    if (response.status === tooManyStatus) return "busy"
    if (!response.ok || response.body === null) throw new ServiceProblem(problemIn(response, await response.text()))
    let begun = ""
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (begun + read.value).split("\n")
      begun = lines.pop() ?? ""
      for (const line of lines) heard(parseExact(line))
    }
    return "answered"
  } catch (failure) {
    if (init.signal?.aborted || failure instanceof ServiceProblem) throw failure
    throw new ServiceProblem("The service cannot be reached.")
  }
}

// All paths are relative to the page, which a proxy may serve below a prefix.
/** @param {string} userId */
export const userPath = (userId) => `users/${encodeURIComponent(userId)}`

/** @param {string} userId @param {string} purchaseId */
export const purchasePath = (userId, purchaseId) => `${userPath(userId)}/purchases/${encodeURIComponent(purchaseId)}`

/**
 * Returns the path of a page of a list. Parts of the query that are `undefined` are left out.
 *
 * @param {string} list
 * @param {Record<string, string | number | undefined>} query
 */
export const pagePath = (list, query) => {
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  return `${list}?${new URLSearchParams(given)}`
}

/** Returns the message of a failure. @param {unknown} failure */
export const messageOf = (failure) => (failure instanceof Error ? failure.message : String(failure))
