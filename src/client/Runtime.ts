import { UnsupportedRuntime } from "./Failure.ts"

/**
 * Returns whether a request can have a stream as its body. A runtime that cannot stream a body would send the text
 * `[object ReadableStream]`.
 */
const hasStreamedRequests = (): boolean => {
  if (typeof Request !== "function" || typeof ReadableStream !== "function") return false
  let isAsked = false
  const init = {
    method: "POST",
    body: new ReadableStream(),
    get duplex() {
      isAsked = true
      return "half"
    }
  }
  try {
    const isText = new Request("http://127.0.0.1", init as RequestInit).headers.has("content-type")
    // Safari takes the stream, and refuses to send it. Safari does not read `duplex`. Bun does not read `duplex`, but
    // sends the stream.
    return !isText && (isAsked || "Bun" in globalThis)
  } catch {
    return false
  }
}

/** The features that this client uses and that some runtimes lack, each with a function that checks for the feature. */
const isThere = {
  fetch: () => typeof fetch === "function",
  Request: () => typeof Request === "function",
  AbortController: () => typeof AbortController === "function",
  "AbortSignal.any": () => typeof AbortSignal === "function" && "any" in AbortSignal,
  TextDecoderStream: () => typeof TextDecoderStream === "function",
  "loops over a ReadableStream": () =>
    typeof ReadableStream === "function" && Symbol.asyncIterator in ReadableStream.prototype,
  "requests with a stream as their body": hasStreamedRequests,
  "crypto.randomUUID": () => typeof crypto === "object" && "randomUUID" in crypto
} as const satisfies Record<string, () => boolean>

type Need = keyof typeof isThere

/** The features that every call needs, besides `fetch`. */
export const callNeeds: ReadonlyArray<Need> = ["Request", "AbortController", "AbortSignal.any"]
/** The features that a call needs if it reads its answer line by line. */
export const lineNeeds: ReadonlyArray<Need> = [...callNeeds, "TextDecoderStream", "loops over a ReadableStream"]
/** The features that a call needs if it sends many purchases through one request. */
export const streamNeeds: ReadonlyArray<Need> = [...lineNeeds, "requests with a stream as their body"]

/**
 * Throws an {@link UnsupportedRuntime} if the runtime lacks one of the needed features. Each call checks the runtime
 * before it sends a request.
 */
export const requireOfRuntime = (needs: ReadonlyArray<Need>): void => {
  const missing = needs.filter((need) => !isThere[need]())
  if (missing.length > 0) throw new UnsupportedRuntime(missing)
}
