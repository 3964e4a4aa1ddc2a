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
  "worker joins",
  "worker leaves",
  "full disk",
  "poison",
  "1,000 repeats at once",
  "repeats after the window",
  "frozen broker",
  "isolated broker",
  "leaders step down"
] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  readonly kind: FaultKind
  /** When it begins and how long it lasts, in milliseconds. */
  readonly at: number
  readonly lasts: number
  /** From 0 to 1; picks one of those that it can happen to, and how. */
  readonly choice: number
}

/** All faults of a run. The tracks go on side by side; in a track one fault ends before the next begins. */
export interface FaultPlan {
  readonly seed: number
  /** In milliseconds. */
  readonly lasts: number
  readonly isCluster: boolean
  readonly tracks: ReadonlyArray<ReadonlyArray<Fault>>
}

export interface PlanOptions {
  readonly seed: number
  readonly minutes: number
  readonly isCluster: boolean
  /** Whether there is a disk that may be filled. */
  readonly hasSmallDisk: boolean
}

/** The lease of the run's workers, in milliseconds: the default of the setting. */
export const lease = 3_000
/** 1,080 in an hour. */
const killsPerMinute = 18
const cutShortest = 5_000
/** Above this a run is long enough for cuts of a minute. */
const longRunMinutes = 10
const cutLongest = { short: 12_000, long: 60_000 }
const churnInterval = 3_000
/** The system comes up before the first fault, and each has ended at the end. */
const margin = 2_000

/** Faults one after the other until the end, each begun a pause after the end of the one before. */
const inTurn = (until: number, next: (index: number) => Omit<Fault, "at">, pause: (index: number) => number) => {
  const faults: Array<Fault> = []
  for (let at = margin + pause(0), index = 0; ; index += 1) {
    const fault = next(index)
    if (at + fault.lasts > until - margin) return faults
    faults.push({ ...fault, at })
    at += fault.lasts + pause(index + 1)
  }
}

/** What all tracks of a plan are made from. The order in which they draw numbers is part of what a seed means. */
interface Drawing {
  readonly random: () => number
  readonly between: (least: number, most: number) => number
  readonly fault: (kind: FaultKind, lasts?: number) => Omit<Fault, "at">
  readonly until: number
}

/** The kills of a plan, at any moments. */
const killsOf = ({ random, between, fault, until }: Drawing, minutes: number, isCluster: boolean) => {
  // Three brokers elect a leader for some seconds after each kill; one alone is back at once.
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

/** The faults that every plan has beside its kills, each kind one after the other. */
const tracksOf = ({ random, between, fault, until }: Drawing, minutes: number) => {
  const cuts = shuffled(["cut to the broker", "cut from the broker", "cut both ways"] as const, random)
  const longest = minutes < longRunMinutes ? cutLongest.short : cutLongest.long
  // Most are short: what a long one shows, it shows once.
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

const fullDisks = ({ between, fault, until }: Drawing) =>
  inTurn(
    until,
    () => fault("full disk", between(5_000, 10_000)),
    (index) => (index === 0 ? between(30_000, 60_000) : between(150_000, 300_000))
  )

/** The faults of single brokers among three. */
const brokerFaults = ({ between, fault, until }: Drawing) => {
  const next = (index: number) => {
    if (index % 3 === 0) return fault("isolated broker", between(8_000, 20_000))
    return index % 3 === 1 ? fault("leaders step down", 10_000) : fault("frozen broker", between(8_000, 20_000))
  }
  return inTurn(until, next, () => between(10_000, 20_000))
}

/** The plan that a seed decides. */
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
  return {
    seed,
    lasts: until,
    isCluster,
    tracks: [kills, ...tracks, ...(hasSmallDisk ? [disk] : []), ...(isCluster ? [brokers] : [])]
  }
}

/** How often each kind is in a plan, those alone that are. */
export const countsOf = (plan: FaultPlan): ReadonlyMap<FaultKind, number> => {
  const counts = new Map<FaultKind, number>()
  for (const { kind } of plan.tracks.flat()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
