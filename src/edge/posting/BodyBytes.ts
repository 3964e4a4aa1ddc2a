import type { Readable } from "node:stream"
import { type ContentEncoding, unpackedStream } from "./ContentEncoding.ts"

/**
 * Yields the unpacked bytes of a body as they come. Bytes that arrived between two reads are one chunk, of at most the
 * 64 KiB that the stream buffers. Lines that are read together are stored together, and some callers send each line in
 * its own chunk. A reader that stops early does not destroy the body, because a destroyed body would end the socket,
 * and so the answer.
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
