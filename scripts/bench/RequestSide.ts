import type { Measurement } from "./Case.ts"
import { latencyMeasurements, latencyOf } from "./Latency.ts"
import type { LoadProcess } from "./LoadProcess.ts"
import { watchOtherLoad } from "./OtherLoad.ts"
import type { Spent } from "./ProcessorTime.ts"

export const perSecond = 1_000
export const readsBesidePerSecond = 200
/**
 * The length of the load before the first measured turn, in seconds. During this load the processes compile their code.
 */
const warmUpSeconds = 30
export const turns = 3
/**
 * The seconds of each part of a measured turn: posts alone, reads alone, and posts with some reads at the same time.
 */
const aloneSeconds = 4
const togetherSeconds = 6
const postsOfTurn = perSecond * (aloneSeconds + togetherSeconds)
export const workload = { purchases: perSecond * warmUpSeconds + turns * postsOfTurn, users: 1_000, repeatEvery: 0 }

/**
 * Returns the order for posts during some seconds, from an index of the workload on. Each post is answered when its
 * purchase is applied.
 */
const posts = (from: number, seconds: number) => ({
  from,
  to: from + perSecond * seconds,
  pace: { perSecond },
  until: "applied" as const
})
const reads = (rate: number, seconds: number) => ({ count: rate * seconds, pace: { perSecond: rate } })
const together = (from: number, seconds: number) => ({
  workload,
  posts: posts(from, seconds),
  reads: reads(readsBesidePerSecond, seconds)
})

type Loaded = Awaited<ReturnType<LoadProcess["run"]>>

/** The measurements of one turn of posts and reads. */
interface Turn {
  readonly posting: Loaded
  readonly reading: Loaded
  readonly both: Loaded
  /**
   * The share of the processors that the host of this virtual machine kept for itself while posts and reads were sent.
   */
  readonly stolen: number
}

/** Returns the mean processor times of several turns with equally many requests. */
const meanSpent = (loads: ReadonlyArray<Loaded>): Spent => {
  const names = Object.keys(loads[0]?.spent ?? {})
  const sumOf = (name: string) => loads.reduce((all, { spent }) => all + (spent[name] ?? Number.NaN), 0)
  return Object.fromEntries(names.map((name) => [name, sumOf(name) / loads.length]))
}

/**
 * Loads the system or its floor with single requests. The requests are sent in turns, so that the benchmark can load
 * the system and the floor alternately.
 */
export class RequestSide {
  readonly name: string
  readonly turns: Array<Turn> = []
  private readonly load: LoadProcess
  private sent = 0
  private readonly loads: Array<Loaded> = []

  constructor(name: string, load: LoadProcess) {
    this.name = name
    this.load = load
  }

  async warmUp(): Promise<void> {
    await this.run(together(this.sent, warmUpSeconds))
  }

  async takeTurn(): Promise<void> {
    const posting = await this.run({ workload, posts: posts(this.sent, aloneSeconds) })
    const reading = await this.run({ workload, reads: reads(perSecond, aloneSeconds) })
    const meanwhile = watchOtherLoad()
    const both = await this.run(together(this.sent, togetherSeconds))
    this.turns.push({ posting, reading, both, stolen: meanwhile().stolen })
  }

  get wrong(): Array<string> {
    return this.loads.flatMap(({ wrong }) => wrong).map((problem) => `${this.name}: ${problem}`)
  }

  get resent(): number {
    return this.loads.reduce((all, { resent }) => all + resent, 0)
  }

  /** The latency in milliseconds of each read that was sent during posts. */
  get readsBeside(): Array<number> {
    return this.turns.flatMap(({ both }) => both.reads)
  }

  measurements(ofFloor: string): Array<Measurement> {
    const { turns } = this
    const posting = turns.map((turn) => turn.posting)
    const reading = turns.map((turn) => turn.reading)
    const both = turns.map((turn) => turn.both)
    const postsOf = (loads: ReadonlyArray<Loaded>) => loads.flatMap((loaded) => loaded.posts)
    return [
      ...latencyMeasurements(`post-wait${ofFloor}`, postsOf(posting), meanSpent(posting)),
      ...latencyMeasurements(
        `read-total${ofFloor}`,
        reading.flatMap((loaded) => loaded.reads),
        meanSpent(reading)
      ),
      ...latencyMeasurements(`post-wait beside reads${ofFloor}`, postsOf(both), meanSpent(both)),
      ...latencyMeasurements(`read-total beside posts${ofFloor}`, this.readsBeside)
    ]
  }

  /** Returns a line of text with the latency in each turn, which shows how steady the machine was. */
  get told(): string {
    const ofTurns = this.turns.map(
      ({ both, stolen }) => `${latencyOf(both.reads).p99.toFixed(1)} (${(100 * stolen).toFixed(0)} %)`
    )
    return `${this.name}: p99 of reads beside posts in each turn, and what the host kept: ${ofTurns.join(", ")} ms; ${this.resent} requests were sent again on another connection`
  }

  private async run(order: Parameters<LoadProcess["run"]>[0]): Promise<Loaded> {
    const loaded = await this.load.run(order)
    this.sent = order.posts?.to ?? this.sent
    this.loads.push(loaded)
    return loaded
  }
}
