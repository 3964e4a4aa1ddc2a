import type { Readable } from "node:stream"
import { type ContentEncoding, unpackedStream } from "./ContentEncoding.ts"

/**
 * Yields the bytes of a body as they come, unpacked. Bytes that arrived between two reads are one chunk, of at most the
 * 64 KiB that the stream buffers: some callers send each line in its own chunk, and lines read together are stored
 * together. A reader that stops early leaves the body as it is. Destroying it would end the socket, and so the answer.
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
