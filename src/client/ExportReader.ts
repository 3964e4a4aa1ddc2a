import { failureOf, NoAnswer } from "./Failure.ts"
import type { HistoryFilter } from "./HistoryFilter.ts"
import { lineNeeds } from "./Runtime.ts"
import type { CallOptions, Transport } from "./Transport.ts"

export interface ExportOptions extends CallOptions, HistoryFilter {
  /** The format of the file. The default of the format is `csv`. */
  readonly format?: "csv" | "ndjson"
}

/**
 * Yields the bytes of an export as they come, and reads no faster than the caller takes the bytes. Sends the request
 * again until an answer begins. Throws a NoAnswer if the answer breaks off: then the bytes are not the whole file.
 */
export async function* readExport(
  transport: Transport,
  path: string,
  { signal }: CallOptions
): AsyncGenerator<Uint8Array> {
  transport.requireRuntime(lineNeeds)
  const patience = transport.patience(signal)
  const over = new AbortController()
  const begun = async () => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await transport.send(path, {}, AbortSignal.any([over.signal, patience.signal]))
      } catch (failure) {
        await transport.beforeNext(attempt, failure, patience)
      }
    }
  }
  try {
    patience.start()
    const { body } = await begun()
    if (body === null) throw new NoAnswer("the answer has no body")
    for await (const bytes of body) {
      patience.stop()
      yield bytes
      patience.start()
    }
  } catch (thrown) {
    patience.signal.throwIfAborted()
    throw failureOf(thrown)
  } finally {
    patience.stop()
    over.abort()
  }
}
