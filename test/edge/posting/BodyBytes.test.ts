import { PassThrough } from "node:stream"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { bodyBytes } from "../../../src/edge/posting/BodyBytes.ts"

const textOf = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString()

describe("The bytes of a body", () => {
  it("a body that came in many chunks while nobody read it is given as one chunk", async () => {
    const body = new PassThrough()
    for (const chunk of ["one\n", "two\n", "three\n"]) body.write(chunk)
    const bytes = bodyBytes(body, "identity")
    expect(textOf((await bytes.next()).value)).toBe("one\ntwo\nthree\n")
    const next = bytes.next()
    body.write("four\n")
    expect(textOf((await next).value)).toBe("four\n")
    body.end()
    expect((await bytes.next()).done).toBe(true)
  })

  it("a body in any pieces is read with all of its bytes in their order", async () => {
    const body = new PassThrough({ highWaterMark: 64 })
    const sent = Array.from({ length: 1_000 }, (_, line) => `line ${line}\n`)
    const sending = (async () => {
      for (const [index, line] of sent.entries()) {
        if (!body.write(line)) await new Promise((resolve) => body.once("drain", resolve))
        if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      body.end()
    })()
    let read = ""
    for await (const bytes of bodyBytes(body, "identity")) read += textOf(bytes)
    await sending
    expect(read).toBe(sent.join(""))
  })

  it("a reader that stops early does not destroy the body", async () => {
    const body = new PassThrough()
    body.write("one\n")
    for await (const _ of bodyBytes(body, "identity")) break
    expect(body.destroyed).toBe(false)
  })

  it("a packed body is unpacked", async () => {
    const body = new PassThrough()
    body.end(gzipSync("one\ntwo\n"))
    let read = ""
    for await (const bytes of bodyBytes(body, "gzip")) read += textOf(bytes)
    expect(read).toBe("one\ntwo\n")
  })

  it("the reading of a body fails if the body breaks off", async () => {
    const body = new PassThrough()
    body.write("one\n")
    const bytes = bodyBytes(body, "identity")
    await bytes.next()
    body.destroy(new Error("aborted"))
    await expect(bytes.next()).rejects.toThrow()
  })
})
