import { seeded, shuffled } from "../system/Random.ts"

export const faultKinds = [
  "kill -9 of a worker",
  "kill -9 of an edge",
  "kill -9 of a broker",
  "death at a step of a commit",
  "frozen worker",
  "cut to the broker",
  "cut from the broker",
  "cut both ways",
  "kill -9 of a judge",
  "death of a judge at a step",
  "frozen judge",
  "judge cut off",
  "worker joins",
  "worker leaves",
  "full disk",
  "poison",
  "1,000 repeats at once",
  "repeats after the window",
  "frozen broker",
  "isolated broker",
  "isolated leader",
  "leaders step down"
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  readonly kind: FaultKind
  /** The time at which the fault begins, in milliseconds since the start of the run. */
  readonly at: number
  /** The length of the fault, in milliseconds. */
  readonly lasts: number
  /** A number from 0 to 1 that chooses the target and the details of the fault. */
  readonly choice: number
}

/**
 * All planned faults of a fault run. A track is a list of faults that happen one after another. All tracks run at the
 * same time.
 */
export interface FaultPlan {
  readonly seed: number
  /** The length of the fault run, in milliseconds. */
  readonly lasts: number
  readonly isCluster: boolean
  readonly tracks: ReadonlyArray<ReadonlyArray<Fault>>
}

export interface PlanOptions {
  readonly seed: number
  readonly minutes: number
  readonly isCluster: boolean
  /** Whether a broker is on a small disk, which a fault can fill. */
  readonly hasSmallDisk: boolean
}

/** The lease of the workers in a fault run, in milliseconds. The lease of a fault run is the default of the setting. */
export const lease = 3_000
/**
 * The number of judges in a fault run. The last judge hears no signs of life of other judges, so two judges always
 * judge the one shard.
 */
export const judges = 3
export const loneJudge = `judge-${judges}`
/** The number of processes that are killed in each minute of a fault run. */
const killsPerMinute = 18
const cutShortest = 5_000
/** The number of minutes above which a fault run is long enough for network cuts that last a minute. */
const longRunMinutes = 10
const cutLongest = { short: 12_000, long: 60_000 }
const churnInterval = 3_000
/** The time without faults at the beginning and at the end of a fault run, in milliseconds. */
const margin = 2_000

/** Returns faults that follow one another until the time `until`, with a pause between two faults. */
const inTurn = (until: number, next: (index: number) => Omit<Fault, "at">, pause: (index: number) => number) => {
  const faults: Array<Fault> = []
  for (let at = margin + pause(0), index = 0; ; index += 1) {
    const fault = next(index)
    if (at + fault.lasts > until - margin) return faults
    faults.push({ ...fault, at })
    at += fault.lasts + pause(index + 1)
  }
}

/**
 * The random numbers and the functions from which the tracks of a plan are made. A track is a list of faults in the
 * order of their times. All tracks take their random numbers from one sequence, in a fixed order. So a seed always
 * gives the same plan.
 */
interface Drawing {
  readonly random: () => number
  readonly between: (least: number, most: number) => number
  readonly fault: (kind: FaultKind, lasts?: number) => Omit<Fault, "at">
  readonly until: number
}

/** Returns the planned kills of processes, at random moments. */
const killsOf = ({ random, between, fault, until }: Drawing, minutes: number, isCluster: boolean) => {
  // When a broker of three is killed, the remaining brokers need some seconds to elect a leader. A single broker needs
  // no election, and is ready as soon as it was started again.
  const brokerShare = isCluster ? 0.05 : 0.15
  const killed = (): FaultKind => {
    const choice = random()
    if (choice < brokerShare) return "kill -9 of a broker"
    return choice < 0.4 ? "kill -9 of an edge" : "kill -9 of a worker"
  }
  return Array.from({ length: Math.ceil(killsPerMinute * minutes) }, () => ({
    ...fault(killed()),
    at: between(margin, until - margin)
  })).toSorted((one, other) => one.at - other.at)
}

/** Returns the tracks that every plan has besides the track of kills, one track for each kind of fault. */
const tracksOf = ({ random, between, fault, until }: Drawing, minutes: number) => {
  const cuts = shuffled(["cut to the broker", "cut from the broker", "cut both ways"] as const, random)
  const longest = minutes < longRunMinutes ? cutLongest.short : cutLongest.long
  // Most network cuts are short, because a long cut shows a problem only once.
  const cutLasts = () => Math.round(cutShortest + (longest - cutShortest) * random() ** 3)
  const track = (
    next: (index: number) => Omit<Fault, "at">,
    ...[least, most]: readonly [least: number, most: number]
  ) => inTurn(until, next, () => between(least, most))
  return [
    track(() => fault("frozen worker", between(2 * lease, 3 * lease)), 4_000, 12_000),
    track(() => fault("death at a step of a commit"), 8_000, 16_000),
    track((index) => fault(cuts[index % cuts.length] ?? "cut both ways", cutLasts()), 2_000, 6_000),
    inTurn(
      until,
      (index) => fault(index % 2 === 0 ? "worker joins" : "worker leaves"),
      () => churnInterval
    ),
    track(() => fault("poison"), 2_000, 6_000),
    track(() => fault("1,000 repeats at once"), 30_000, 50_000),
    track(() => fault("repeats after the window"), 6_000, 10_000)
  ]
}

/** Returns the planned faults of judges. */
const judgeTracksOf = ({ between, fault, until }: Drawing) => [
  inTurn(
    until,
    () => fault("kill -9 of a judge"),
    () => between(2_000, 8_000)
  ),
  inTurn(
    until,
    () => fault("death of a judge at a step"),
    () => between(6_000, 12_000)
  ),
  inTurn(
    until,
    (index) =>
      index % 2 === 0
        ? fault("frozen judge", between(2 * lease, 3 * lease))
        : fault("judge cut off", between(cutShortest, cutLongest.short)),
    () => between(4_000, 8_000)
  )
]

const fullDisks = ({ between, fault, until }: Drawing) =>
  inTurn(
    until,
    () => fault("full disk", between(5_000, 10_000)),
    (index) => (index === 0 ? between(30_000, 60_000) : between(150_000, 300_000))
  )

/** Returns the planned faults of single brokers in a cluster of three brokers. */
const brokerFaults = ({ between, fault, until }: Drawing) => {
  const kinds = ["isolated leader", "leaders step down", "frozen broker", "isolated broker"] as const
  const next = (index: number) => {
    const kind = kinds[index % kinds.length] ?? "isolated leader"
    if (kind === "leaders step down") return fault(kind, 10_000)
    // A cut that ends during the election of another leader differs from a long cut.
    return fault(kind, between(kind === "isolated leader" ? 3_000 : 8_000, 20_000))
  }
  return inTurn(until, next, () => between(10_000, 20_000))
}

/** Makes the plan of a fault run from a seed. The same options always give the same plan. */
export const planFaults = ({ seed, minutes, isCluster, hasSmallDisk }: PlanOptions): FaultPlan => {
  const random = seeded(seed)
  const until = Math.round(minutes * 60_000)
  const drawing: Drawing = {
    random,
    between: (least, most) => Math.round(least + random() * (most - least)),
    fault: (kind, lasts = 0) => ({ kind, lasts, choice: random() }),
    until
  }
  const kills = killsOf(drawing, minutes, isCluster)
  const tracks = tracksOf(drawing, minutes)
  const disk = fullDisks(drawing)
  const brokers = brokerFaults(drawing)
  const judges = judgeTracksOf(drawing)
  return {
    seed,
    lasts: until,
    isCluster,
    tracks: [kills, ...tracks, ...judges, ...(hasSmallDisk ? [disk] : []), ...(isCluster ? [brokers] : [])]
  }
}

/** Returns how often each kind of fault is in a plan. Kinds of faults that the plan does not have are left out. */
export const countsOf = (plan: FaultPlan): ReadonlyMap<FaultKind, number> => {
  const counts = new Map<FaultKind, number>()
  for (const { kind } of plan.tracks.flat()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
