import { finished, type Readable } from "node:stream"
import { promisify } from "node:util"
import { createGunzip, gunzip } from "node:zlib"
import { type Problem, problem } from "./Problem.ts"

/** The most bytes that one gzip body may unpack to: some six million purchases. */
export const unpackedBytesMax = 1024 ** 3
/** How many times its packed size a body may unpack to; texts of purchases pack ten to thirty times. */
export const unpackedRatioMax = 100
/** Below this many bytes the ratio says nothing. */
const unpackedBytesFree = 1024 ** 2
const unpackedChunkBytes = 64 * 1024

export type ContentEncoding = "identity" | "gzip"

/** The encoding of a body by the header's value. */
export const contentEncoding = (header: string | undefined): ContentEncoding | Problem<"unsupported-media-type"> => {
  const named = header?.trim().toLowerCase() ?? "identity"
  if (named === "identity" || named === "") return "identity"
  if (named === "gzip" || named === "x-gzip") return "gzip"
  return problem(
    "unsupported-media-type",
    `The content encoding ${named.slice(0, 40)} is not known here. Send gzip, or none.`,
    {
      "accept-encoding": "gzip"
    }
  )
}

const notGzip = problem("malformed-request", "The body could not be unpacked as gzip.")

const unpackAll = promisify<Uint8Array, { readonly maxOutputLength: number }, Buffer>(gunzip)

/** Unpacks a small body, as far as its bound; `tooLarge` is the problem of one above it. */
export const unpacked = async (
  bytes: Uint8Array,
  bytesMax: number,
  tooLarge: Problem<"body-too-large">
): Promise<Uint8Array | Problem<"body-too-large" | "malformed-request">> => {
  try {
    return await unpackAll(bytes, { maxOutputLength: bytesMax })
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? tooLarge : notGzip
  }
}

/**
 * Unpacks a body as it comes, no faster than it is taken. Throws a problem when it is no gzip, or when it unpacks to
 * more than the bounds say; then the rest is left alone.
 */
export async function* unpackedStream(body: Readable): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: unpackedChunkBytes })
  let isBroken = false
  // Tells also of a body that broke off before it was read.
  const forget = finished(body, { writable: false }, (cause) => {
    if (cause === undefined || cause === null) return
    isBroken = true
    gunzip.destroy(cause)
  })
  body.pipe(gunzip)
  let bytes = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > unpackedBytesMax) {
        throw problem("body-too-large", `The body unpacks to more than ${unpackedBytesMax} bytes.`)
      }
      if (bytes > unpackedBytesFree && bytes > unpackedRatioMax * gunzip.bytesWritten) {
        throw problem("body-too-large", `The body unpacks to more than ${unpackedRatioMax} times its size.`)
      }
      yield chunk
    }
  } catch (cause) {
    const isCorrupt = !isBroken && cause instanceof Error
    throw isCorrupt ? notGzip : cause
  } finally {
    forget()
    body.unpipe(gunzip)
    gunzip.destroy()
  }
}
