import type { Readable } from "node:stream"
import { type ContentEncoding, unpackedStream } from "./ContentEncoding.ts"

/**
 * The bytes of a body as they come, unpacked. What came while nobody read is given as one: there are callers who send
 * each line in a chunk of its own, and what is read together is stored and answered together. It is no more than the
 * stream buffers, 64 KiB. A reader that stops early leaves the body as it is, for destroying it would end the socket,
 * and with it the answer.
 */
export async function* bodyBytes(body: Readable, encoding: ContentEncoding): AsyncGenerator<Uint8Array> {
  if (encoding === "gzip") return yield* unpackedStream(body)
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const chunks = [chunk]
    while (body.readableLength > 0) {
      const more = body.read() as Buffer | null
      if (more === null) break
      chunks.push(more)
    }
    yield chunks.length === 1 ? chunk : Buffer.concat(chunks)
  }
}
