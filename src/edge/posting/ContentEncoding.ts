import { finished, type Readable } from "node:stream"
import { promisify } from "node:util"
import { createGunzip, gunzip } from "node:zlib"
import { Effect, Schema } from "effect"
import { type Problem, problem } from "../contract/Problem.ts"

/** The most bytes that one gzip body may unpack to. */
export const unpackedBytesMax = 1024 ** 3
/**
 * The highest ratio of a body's unpacked size to its packed size. Texts of purchases stay well below
 * `unpackedRatioMax`.
 */
export const unpackedRatioMax = 100
/** A body may unpack to this number of bytes at any ratio. */
const unpackedBytesFree = 1024 ** 2
const unpackedChunkBytes = 64 * 1024

export type ContentEncoding = "identity" | "gzip"

/** Returns the encoding that a Content-Encoding header names; without the header, the encoding is `identity`. */
export const contentEncoding = (header: string | undefined): ContentEncoding | Problem<"unsupported-media-type"> => {
  const named = header?.trim().toLowerCase() ?? "identity"
  if (named === "identity" || named === "") return "identity"
  if (named === "gzip" || named === "x-gzip") return "gzip"
  return problem(
    "unsupported-media-type",
    `The content encoding ${named.slice(0, 40)} is not supported. Send gzip, or leave out Content-Encoding.`,
    { "accept-encoding": "gzip" }
  )
}

/** The failure of a body that was declared as gzip, and is not gzip or is cut off. */
export class UnreadableGzip extends Schema.TaggedError<UnreadableGzip>()("UnreadableGzip", {}) {
  override get message() {
    return "The body could not be unpacked as gzip."
  }
}

/** The failure of a body that unpacks to more than its bound. */
export class UnpackedTooLarge extends Schema.TaggedError<UnpackedTooLarge>()("UnpackedTooLarge", {
  /** The bound that the body exceeds, like `100 times its size`. */
  bound: Schema.String
}) {
  override get message() {
    return `The body unpacks to more than ${this.bound}.`
  }
}

export type UnpackFailure = UnreadableGzip | UnpackedTooLarge

const unpackAll = promisify<Uint8Array, { readonly maxOutputLength: number }, Buffer>(gunzip)

/** Unpacks a whole body. Fails if the body has more than `bytesMax` unpacked bytes. */
export const unpacked = (bytes: Uint8Array, bytesMax: number): Effect.Effect<Uint8Array, UnpackFailure> =>
  Effect.tryPromise({
    try: () => unpackAll(bytes, { maxOutputLength: bytesMax }),
    catch: (cause) =>
      (cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
        ? new UnpackedTooLarge({ bound: `${bytesMax} bytes` })
        : new UnreadableGzip()
  })

/** Returns the bound that a body of `bytes` unpacked bytes exceeds, or `undefined` if the body exceeds no bound. */
const passedBound = (bytes: number, packedBytes: number): string | undefined => {
  if (bytes > unpackedBytesMax) return `${unpackedBytesMax} bytes`
  return bytes > unpackedBytesFree && bytes > unpackedRatioMax * packedBytes
    ? `${unpackedRatioMax} times its size`
    : undefined
}

/**
 * Unpacks a body as it comes, no faster than the bytes are taken. Throws an {@link UnpackFailure} if the body is not
 * gzip or exceeds a bound. Throws the cause if the body breaks off. After a failure of unpacking, the rest of the body
 * is not read.
 */
export async function* unpackedStream(body: Readable): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: unpackedChunkBytes })
  let isBroken = false
  // `finished` reports even a body that broke off before it was read.
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
      const bound = passedBound(bytes, gunzip.bytesWritten)
      if (bound !== undefined) throw new UnpackedTooLarge({ bound })
      yield chunk
    }
  } catch (cause) {
    throw isBroken || cause instanceof UnpackedTooLarge ? cause : new UnreadableGzip()
  } finally {
    forget()
    body.unpipe(gunzip)
    gunzip.destroy()
  }
}
