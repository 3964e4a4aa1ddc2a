import { describe, expect, it } from "vitest"
import { type Exploration, explore } from "../support/Explorer.ts"
import type { Invariant } from "./Invariants.ts"
import type { Script } from "./Ledger.ts"
import { protocol } from "./Protocol.ts"
import type { Bounds, Mistake } from "./Rules.ts"

// An explicit-state model of the protocol: one partition, two users, two workers, a janitor, clients that send again,
// crashes, lost deliveries, batches whose outcome is unknown and that arrive late, and reads. Every order of all steps
// is explored, and the invariants of Invariants.ts are checked in every state. What is left out because it comes to
// the same: acks (nothing depends on them), redeliveries of what was received (dropped by sequence), deleted consumers
// (the epoch begins anew).
//
// MODEL_BOUND=large explores longer scripts and more faults at once, and prints the histories of the mistakes; it takes
// some minutes and 1 GB.
const isLarge = process.env["MODEL_BOUND"] === "large"
const statesMax = 40_000_000
const minutes = 60_000

const one: Script = [{ ann: "p" }]
const both: Script = [{ ann: "p", bob: "r" }]
const repeat: Script = [{ ann: "p" }, { ann: "p" }]
const two: Script = [{ ann: "p" }, { ann: "q", bob: "r" }]
/** Two messages of groups, a repeat, and an id that comes again with other content. */
const three: Script = [{ ann: "p" }, { ann: "q", bob: "r" }, { ann: "p", bob: "r'" }]
const four: Script = [...three, { bob: "s" }]

const seconds = (from: number) => ((performance.now() - from) / 1_000).toFixed(1)

const exploreAll = (name: string, script: Script, bounds: Bounds): Exploration => {
  const from = performance.now()
  const exploration = explore(protocol(script, bounds), { statesMax })
  const { states, transitions, depth } = exploration
  console.log(`model, ${name}: ${states} states, ${transitions} steps, depth ${depth}, ${seconds(from)} s`)
  return exploration
}

describe("the protocol keeps every invariant", () => {
  const explorations: ReadonlyArray<readonly [string, Script, Bounds]> = [
    ["3 messages, any faults", three, { faults: Infinity, reads: 0, zombies: "rest" }],
    ["2 messages, any faults and reads", two, { faults: Infinity, reads: Infinity, zombies: "rest" }],
    ["2 messages, both workers go on", two, { faults: 0, reads: 0, zombies: "act" }],
    ["a repeat, both workers go on, 1 fault", repeat, { faults: 1, reads: 0, zombies: "act" }],
    ["1 message of two users, both workers go on, 1 fault, 1 read", both, { faults: 1, reads: 1, zombies: "act" }]
  ]
  const larger: typeof explorations = [
    ["4 messages, any faults and reads", four, { faults: Infinity, reads: Infinity, zombies: "rest" }],
    ["3 messages, any faults and reads", three, { faults: Infinity, reads: Infinity, zombies: "rest" }],
    ["2 messages, both workers go on, 1 read", two, { faults: 0, reads: 1, zombies: "act" }],
    ["3 messages, both workers go on", three, { faults: 0, reads: 0, zombies: "act" }],
    ["2 messages, both workers go on, 2 faults", two, { faults: 2, reads: 0, zombies: "act" }],
    ["a repeat, both workers go on, 2 faults, 1 read", repeat, { faults: 2, reads: 1, zombies: "act" }],
    ["2 messages, both workers go on, 1 fault, 1 read", two, { faults: 1, reads: 1, zombies: "act" }]
  ]
  it.each(isLarge ? [...explorations, ...larger] : explorations)(
    "%s",
    (name, script, bounds) => expect(exploreAll(name, script, bounds).violation).toBeUndefined(),
    15 * minutes
  )
})

interface Planted {
  readonly mistakes: ReadonlyArray<Mistake>
  readonly script: Script
  readonly faults?: number
  readonly reads?: number
  readonly breaks: Invariant
  /** How long the shortest history is that shows it, and how it ends. */
  readonly steps: number
  readonly last: string
}

const exploreMistakes = (
  { mistakes, script, faults = 0, reads = 0 }: Pick<Planted, "mistakes" | "script" | "faults" | "reads">,
  invariants?: ReadonlyArray<Invariant>,
  bounds: Pick<Bounds, "batchesOnly"> = {}
) =>
  explore(protocol(script, { faults, reads, zombies: "act", ...bounds }, ...mistakes), {
    statesMax,
    ...(invariants === undefined ? {} : { invariants })
  })

describe("a planted mistake breaks an invariant", () => {
  const planted: ReadonlyArray<Planted> = [
    {
      mistakes: ["set not loaded"],
      script: repeat,
      faults: 1,
      breaks: "once",
      steps: 15,
      last: "worker 1 has its batch applied"
    },
    { mistakes: ["set after account"], script: one, breaks: "once", steps: 15, last: "worker 2 has its batch applied" },
    {
      mistakes: ["set before account"],
      script: one,
      breaks: "applied",
      steps: 17,
      last: "worker 2 has its batch applied"
    },
    {
      mistakes: ["position before accounts"],
      script: one,
      breaks: "applied",
      steps: 8,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["deciding beyond a gap"],
      script: two,
      faults: 1,
      breaks: "order",
      steps: 10,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["deciding beyond a gap"],
      script: two,
      faults: 1,
      breaks: "applied",
      steps: 11,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["deciding beyond a gap"],
      script: two,
      faults: 1,
      reads: 1,
      breaks: "read",
      steps: 17,
      last: "worker 1 answers with 1 purchases of ann"
    },
    {
      mistakes: ["unknown taken for success"],
      script: both,
      faults: 1,
      breaks: "applied",
      steps: 11,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["unknown taken for success"],
      script: one,
      faults: 1,
      reads: 1,
      breaks: "committed",
      steps: 14,
      last: "worker 1 answers with 1 purchases of ann"
    },
    {
      mistakes: ["tried again in the epoch", "no expected revisions"],
      script: one,
      faults: 1,
      breaks: "once",
      steps: 10,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["tried again in the epoch"],
      script: two,
      faults: 1,
      breaks: "position",
      steps: 19,
      last: "a late batch is applied"
    },
    { mistakes: ["no guard"], script: repeat, breaks: "position", steps: 17, last: "worker 1 has its batch applied" },
    {
      mistakes: ["no guard"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 19,
      last: "worker 2 answers with 0 purchases of ann"
    },
    {
      mistakes: ["no guard", "no expected revisions"],
      script: one,
      breaks: "once",
      steps: 15,
      last: "worker 1 has its batch applied"
    },
    {
      mistakes: ["no guard", "no expected revisions"],
      script: two,
      breaks: "agreement",
      steps: 15,
      last: "worker 1 has its batch applied"
    },
    { mistakes: ["purge beyond the position"], script: one, breaks: "applied", steps: 2, last: "message 1 is purged" },
    { mistakes: ["purge beyond the position"], script: one, breaks: "finish", steps: 2, last: "message 1 is purged" },
    {
      mistakes: ["read without barrier"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 11,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["owner checked before the log is read"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 19,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["read trusts a log without anything newer"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 15,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["read without owner check"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 19,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["position read before owner"],
      script: two,
      breaks: "position",
      steps: 17,
      last: "worker 2 has its batch applied"
    },
    {
      mistakes: ["actors kept"],
      script: one,
      faults: 1,
      reads: 1,
      breaks: "read",
      steps: 18,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["account from a replica"],
      script: one,
      faults: 1,
      reads: 1,
      breaks: "read",
      steps: 17,
      last: "worker 1 answers with 0 purchases of ann"
    },
    {
      mistakes: ["newest input from a replica"],
      script: one,
      reads: 1,
      breaks: "read",
      steps: 11,
      last: "worker 1 answers with 0 purchases of ann"
    }
  ]
  it.each(planted.map((mistake) => [`${mistake.mistakes.join(", ")}: ${mistake.breaks}`, mistake] as const))(
    "%s",
    (name, { breaks, steps, last, ...mistake }) => {
      const { violation } = exploreMistakes(mistake, [breaks])
      if (isLarge) console.log([name, ...(violation?.history ?? [])].join("\n  "))
      const found = {
        invariant: violation?.invariant,
        steps: violation?.history.length,
        last: violation?.history.at(-1)
      }
      expect(found, violation?.history.join("\n")).toEqual({ invariant: breaks, steps, last })
    }
  )
})

// In batches the guard and the expected revisions are each other's second line: no purchase is applied twice while one
// of them holds. What is written alone has the guard, which is also what position and reads need.
describe("one of guard and expected revisions suffices", () => {
  it("for everything, when it is the guard", () => {
    const mistakes = ["no expected revisions"] as const
    expect(exploreMistakes({ mistakes, script: repeat, faults: 1 }).violation).toBeUndefined()
    expect(exploreMistakes({ mistakes, script: one, faults: 1, reads: 1 }).violation).toBeUndefined()
    expect(exploreMistakes({ mistakes, script: two }).violation).toBeUndefined()
  })

  it("for once, when it is the expected revisions, and for nothing that is written alone", () => {
    const invariants = ["once", "order", "agreement"] as const
    const mistakes = ["no guard", "tried again in the epoch"] as const
    const batches = { batchesOnly: true } as const
    const unguarded = { mistakes: ["no guard"], script: repeat, faults: 1 } as const
    expect(exploreMistakes(unguarded, invariants, batches).violation).toBeUndefined()
    expect(exploreMistakes({ mistakes, script: repeat, faults: 1 }, invariants, batches).violation).toBeUndefined()
    expect(exploreMistakes(unguarded, ["once"]).violation?.invariant).toBe("once")
  })
})
