import type { Case, Measurement } from "../Case.ts"
import { medianOf } from "../Figures.ts"
import { LoadProcess, type Served } from "../LoadProcess.ts"
import type { Progress } from "../Progress.ts"
import { untilApplied } from "../Applied.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
const warmUp = 20_000
const measured = 40_000
/** The number of turns of each edge. */
const turns = 3
const workload = { purchases: 2 * (warmUp + turns * measured), users: 1_000, repeatEvery: 0 }
const pace = { atOnce }

/** The rates of one edge, in requests a second, and the mistakes in its answers. */
class MeasuredEdge {
  readonly posts: Array<number> = []
  readonly reads: Array<number> = []
  readonly wrong: Array<string> = []
  private readonly load: LoadProcess

  constructor(served: Served, progress: Progress) {
    this.load = new LoadProcess(served, progress)
  }

  /** Posts purchases from an index on, and then reads as many totals. Returns the index behind the last purchase. */
  async turn(from: number, count: number): Promise<number> {
    const to = from + count
    const posted = await this.load.run({ workload, posts: { from, to, pace, until: "stored" } })
    const read = await this.load.run({ workload, reads: { count, pace } })
    this.posts.push(count / (posted.milliseconds / 1_000))
    this.reads.push(count / (read.milliseconds / 1_000))
    this.wrong.push(...posted.wrong, ...read.wrong)
    return to
  }

  /** Forgets the rates so far, which include the time in which the processes compiled their code. */
  forget(): void {
    this.posts.length = 0
    this.reads.length = 0
  }
}

/**
 * Measures single posts and strong reads at two edges of one ledger, in turns: an edge that asks for no tokens, and an
 * edge that checks a token and counts the limits of each request.
 */
export const tokens: Case = {
  name: "tokens",
  about: `posts and strong reads over ${atOnce} kept connections, in turns at an edge with AUTH=none and at an edge with AUTH=tokens and limits`,
  isLong: false,
  run: async ({ run, startSystem, progress }) => {
    const system = await startSystem({ usesEdge: true })
    const open = new MeasuredEdge(system, progress)
    const checking = new MeasuredEdge(await system.startEdgeWithTokens(), progress)
    const order = run % 2 === 1 ? [open, checking] : [checking, open]
    let next = 0
    for (const edge of order) next = await edge.turn(next, warmUp)
    for (const edge of order) edge.forget()
    for (let turn = 0; turn < turns; turn += 1) for (const edge of order) next = await edge.turn(next, measured)
    await untilApplied(system)
    progress.show("reading every total")
    const wrong = [...open.wrong, ...checking.wrong, ...(await wrongLedger(system, totalsOfWorkload(workload)))]
    const measurements = (["posts", "reads"] as const).flatMap((kind): Array<Measurement> => {
      const [without, with_] = [medianOf(open[kind]), medianOf(checking[kind])]
      return [
        { name: `${kind} without tokens`, unit: "requests/s", value: without },
        { name: `${kind} with tokens`, unit: "requests/s", value: with_ },
        { name: `${kind} with, of without`, unit: "ratio", value: with_ / without }
      ]
    })
    return { measurements, wrong, notes: [] }
  }
}
