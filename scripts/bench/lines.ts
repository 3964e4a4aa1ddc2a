// A process that sends bodies of lines to an edge, so that the processor time of sending does not count as the edge's.
import { request as httpRequest } from "node:http"
import { decimalFromCents } from "../../src/account/Money.ts"
import { purchaseAt, type Range, type Workload } from "./Workload.ts"

export interface LinesOrder extends Range {
  readonly edgeUrl: string
  readonly workload: Workload
  /** The number of bodies that are sent at the same time. */
  readonly bodies: number
}

export type LinesMessage =
  | { readonly kind: "prepared" }
  | { readonly kind: "progress"; readonly answered: number }
  | { readonly kind: "done"; readonly answered: number; readonly failures: ReadonlyArray<string> }

const pieceBytes = 64 * 1024
const progressEveryMilliseconds = 500
const failuresNamedMax = 5
const lineFeed = 0x0a

const tell = (message: LinesMessage) => process.send?.(message)

const lineOf = (workload: Workload, index: number): string => {
  const { valueCents, ...rest } = purchaseAt(workload, index)
  return `${JSON.stringify(rest).slice(0, -1)},"value":${decimalFromCents(valueCents)}}\n`
}

/** Returns the lines of a body, in pieces as a client would write them. */
const piecesOf = (workload: Workload, from: number, to: number): Array<Buffer> => {
  const pieces: Array<Buffer> = []
  let text = ""
  for (let index = from; index < to; index += 1) {
    text += lineOf(workload, index)
    if (text.length < pieceBytes && index < to - 1) continue
    pieces.push(Buffer.from(text))
    text = ""
  }
  return pieces
}

const run = async ({ edgeUrl, workload, bodies, from, to }: LinesOrder): Promise<void> => {
  const { hostname, port } = new URL(edgeUrl)
  const failures: Array<string> = []
  const fail = (failure: string) => failures.length < failuresNamedMax && failures.push(failure)
  let answered = 0

  const send = (pieces: ReadonlyArray<Buffer>) =>
    new Promise<void>((resolve, reject) => {
      const headers = { "content-type": "application/x-ndjson" }
      const sending = httpRequest({ hostname, port, method: "POST", path: "/purchases", headers })
      sending.once("error", reject)
      sending.once("response", (response) => {
        if (response.statusCode !== 200) fail(`POST /purchases answered ${response.statusCode}`)
        response.on("data", (chunk: Buffer) => {
          for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) answered += 1
          const problem = chunk.indexOf('"problem":')
          if (problem >= 0) fail(chunk.toString("utf8", Math.max(0, problem - 100), problem + 400))
        })
        response.once("end", resolve)
        response.once("error", reject)
      })
      const rest = pieces.values()
      const write = () => {
        for (const piece of rest) if (!sending.write(piece)) return void sending.once("drain", write)
        sending.end()
      }
      write()
    })

  const share = Math.ceil((to - from) / bodies)
  const shares = Array.from({ length: bodies }, (_, body) =>
    piecesOf(workload, from + body * share, Math.min(from + (body + 1) * share, to))
  )
  const go = new Promise<void>((resolve) => void process.once("message", () => resolve()))
  tell({ kind: "prepared" })
  await go

  const progress = setInterval(() => tell({ kind: "progress", answered }), progressEveryMilliseconds)
  await Promise.all(shares.map(send))
  clearInterval(progress)
  tell({ kind: "done", answered, failures })
}

const takeOrder = () =>
  process.once("message", (order: LinesOrder) => {
    run(order).then(takeOrder, (cause) => {
      process.stderr.write(`${cause}\n`)
      process.exit(1)
    })
  })

// The benchmark ends this process by a signal. A broken channel means that the benchmark is gone.
process.once("disconnect", () => process.exit(1))
takeOrder()
