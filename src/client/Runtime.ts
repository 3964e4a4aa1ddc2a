import { UnsupportedRuntime } from "./Failure.ts"

/** Tells whether a request can have a stream as its body. Where it cannot, the text of the object would be sent. */
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
    return !new Request("http://127.0.0.1", init as RequestInit).headers.has("content-type") && isAsked
  } catch {
    return false
  }
}

/** Everything that this client takes from its runtime and that some runtimes lack. */
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

/** What every call needs beside `fetch`. */
export const callNeeds: ReadonlyArray<Need> = ["Request", "AbortController", "AbortSignal.any"]
/** What reading an answer line by line needs. */
export const lineNeeds: ReadonlyArray<Need> = [...callNeeds, "TextDecoderStream", "loops over a ReadableStream"]
/** What sending and answering many purchases through one request needs. */
export const streamNeeds: ReadonlyArray<Need> = [...lineNeeds, "requests with a stream as their body"]

/** Throws an {@link UnsupportedRuntime} if something is missing. It is asked before anything is sent. */
export const requireOfRuntime = (needs: ReadonlyArray<Need>): void => {
  const missing = needs.filter((need) => !isThere[need]())
  if (missing.length > 0) throw new UnsupportedRuntime(missing)
}
