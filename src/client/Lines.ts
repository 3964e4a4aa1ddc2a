/** The most characters of one line of an answer. The service sends no line with more characters than this bound. */
export const lineCharactersMax = 8 * 1024 * 1024

/**
 * Yields the lines of a body as they come, and omits a last line without a line feed. Throws an Error if a line has
 * more than {@link lineCharactersMax} characters. While the caller pauses, the sender of the body has to wait. If the
 * caller stops early, the body is cancelled.
 */
export async function* linesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  if (body === null) return
  let begun = ""
  for await (const text of body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const lines = (begun + text).split("\n")
    begun = lines.pop() ?? ""
    if (begun.length > lineCharactersMax) throw new Error(`a line has more than ${lineCharactersMax} characters`)
    yield* lines
  }
}

/** A server-sent event (WHATWG). `id` is the newest id that this event or an earlier event named. */
export interface ServerSentEvent {
  readonly name: string
  readonly id: string
  readonly data: string
}

/** Yields the server-sent events of a body, and `undefined` for a comment. */
export async function* eventsOf(lines: AsyncIterable<string>): AsyncGenerator<ServerSentEvent | undefined> {
  let name = ""
  let id = ""
  let data: Array<string> = []
  for await (const written of lines) {
    const line = written.replace(/\r$/, "")
    if (line === "") {
      yield { name, id, data: data.join("\n") }
      name = ""
      data = []
      continue
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (field === "event") name = value
    else if (field === "id") id = value
    else if (field === "data") data.push(value)
    else if (field === "") yield undefined
  }
}
