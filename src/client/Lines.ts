/** The most characters of one line of an answer; a longer one is no answer of this service. */
export const lineCharactersMax = 8 * 1024 * 1024

/**
 * Yields the lines of a body as they come. A caller that takes no more holds the sender back, and one that stops ends
 * the body. A line without its end broke off and is left out.
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

/** A server-sent event (WHATWG), with the id that holds after it. */
export interface ServerSentEvent {
  readonly name: string
  readonly id: string
  readonly data: string
}

/** Reads server-sent events; `undefined` stands for a sign of life without one. */
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
