import type { Case, Measurement } from "../Case.ts"
import { medianOf } from "../Figures.ts"
import { LoadProcess, type Served } from "../LoadProcess.ts"
import type { Progress } from "../Progress.ts"
import type { Spent } from "../ProcessorTime.ts"
import type { System } from "../System.ts"
import { untilApplied } from "../Applied.ts"
import { totalsOfWorkload, wrongLedger } from "../Totals.ts"

const atOnce = 256
/** The number of posts in one turn, and of reads after the posts. */
const ofTurn = 20_000
/** The number of turns of each edge before the measured turns. In these turns the processes compile their code. */
const warmUpTurns = 4
/** The number of measured turns of each edge. */
const turns = 10
const workload = { purchases: 2 * (warmUpTurns + turns) * ofTurn, users: 1_000, repeatEvery: 0 }
const pace = { atOnce }

/** The requests of one kind in one turn: their rate in requests a second, and the processor time of one request. */
interface Turn {
  readonly perSecond: number
  readonly spent: Spent
}

const kinds = ["posts", "reads"] as const
type Kind = (typeof kinds)[number]

/** The measured turns of one edge, and the mistakes in its answers. */
class MeasuredEdge {
  readonly turns: Record<Kind, Array<Turn>> = { posts: [], reads: [] }
  readonly wrong: Array<string> = []
  private readonly load: LoadProcess
  private readonly system: System

  constructor(system: System, served: Served, progress: Progress) {
    this.system = system
    this.load = new LoadProcess(served, progress)
  }

  /**
   * Posts purchases from an index on, waits until the purchases are applied, and reads as many totals. Returns the index
   * behind the last purchase.
   */
  async turn(from: number): Promise<number> {
    const to = from + ofTurn
    const posts = await this.load.run({ workload, posts: { from, to, pace, until: "stored" } })
    await untilApplied(this.system)
    const reads = await this.load.run({ workload, reads: { count: ofTurn, pace } })
    for (const [kind, { milliseconds, spent, wrong }] of [["posts", posts] as const, ["reads", reads] as const]) {
      this.turns[kind].push({ perSecond: ofTurn / (milliseconds / 1_000), spent })
      this.wrong.push(...wrong)
    }
    return to
  }
}

/** Returns the processor time that the edge spent on a request, in microseconds. */
const edgeTime = ({ spent }: Turn): number => spent["edge"] ?? Number.NaN

/**
 * Returns the figures of one kind of requests. The two edges are compared turn by turn, because the speed of a shared
 * machine changes between turns.
 */
const figuresOf = (kind: Kind, open: MeasuredEdge, checking: MeasuredEdge): Array<Measurement> => {
  const [without, with_] = [open.turns[kind].slice(warmUpTurns), checking.turns[kind].slice(warmUpTurns)]
  const compared = (valueOf: (turn: Turn) => number) =>
    medianOf(without.map((turn, index) => valueOf(with_[index] ?? turn) / valueOf(turn)))
  return [
    { name: `${kind} without tokens`, unit: "requests/s", value: medianOf(without.map(({ perSecond }) => perSecond)) },
    { name: `${kind} with tokens`, unit: "requests/s", value: medianOf(with_.map(({ perSecond }) => perSecond)) },
    { name: `${kind} with, of without`, unit: "ratio", value: compared(({ perSecond }) => perSecond) },
    { name: `${kind}: edge time without`, unit: "µs", value: medianOf(without.map(edgeTime)) },
    { name: `${kind}: edge time with`, unit: "µs", value: medianOf(with_.map(edgeTime)) },
    { name: `${kind}: edge time, of without`, unit: "ratio", value: compared(edgeTime) }
  ]
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
    const open = new MeasuredEdge(system, system, progress)
    const checking = new MeasuredEdge(system, await system.startEdgeWithTokens(), progress)
    const order = run % 2 === 1 ? [open, checking] : [checking, open]
    let next = 0
    for (let turn = 0; turn < warmUpTurns + turns; turn += 1) {
      for (const edge of order) next = await edge.turn(next)
      order.reverse()
    }
    progress.show("reading every total")
    const wrong = [...open.wrong, ...checking.wrong, ...(await wrongLedger(system, totalsOfWorkload(workload)))]
    return { measurements: kinds.flatMap((kind) => figuresOf(kind, open, checking)), wrong, notes: [] }
  }
}
