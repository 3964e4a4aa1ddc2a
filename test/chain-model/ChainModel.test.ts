import { describe, expect, it } from "vitest"
import { type Exploration, explore } from "../support/Explorer.ts"
import { type Invariant, invariants } from "../../src/harness/Invariant.ts"
import type { Script } from "./Chain.ts"
import type { ModelRule } from "./Invariants.ts"
import { protocol } from "./Protocol.ts"
import type { Bounds, Mistake } from "./Rules.ts"

// An explicit-state model of the commit chain. The model has one partition, two users, two workers, a janitor, and
// clients that send again. The model has crashes, lost deliveries, lost answers, late publishes, writes of heads, and
// reads. Every order of all steps is explored, and the invariants of Invariants.ts are checked in every state.
// Redeliveries are left out, because workers drop them by their sequence. Deleted consumers are left out, because they
// end an epoch as a lost delivery does. An acknowledgement is checked when it is sent, because no other step depends on
// it. MODEL_BOUND=large explores longer scripts and more faults at once, and prints the history of each mistake.
const isLarge = process.env["MODEL_BOUND"] === "large"
const statesMax = 40_000_000
const minutes = 60_000

const one: Script = [{ ann: "p" }]
const both: Script = [{ ann: "p", bob: "r" }]
const repeat: Script = [{ ann: "p" }, { ann: "p" }]
const inTurn: Script = [{ ann: "p" }, { ann: "q" }]
const apart: Script = [{ ann: "p" }, { bob: "r" }]
const two: Script = [{ ann: "p" }, { ann: "q", bob: "r" }]
/** A message without any readable purchase, and a message behind that message. */
const unreadable: Script = [{}, { ann: "p" }]
/** Two messages of groups, a repeat, and an id that comes again with another content. */
const three: Script = [{ ann: "p" }, { ann: "q", bob: "r" }, { ann: "p", bob: "r'" }]
/** A purchase of two pieces, and two reversals that both take all of them back. */
const reversals: Script = [{ ann: "p" }, { ann: "x-p2" }, { ann: "y-p2" }]
const reversedAgain: Script = [...reversals, { ann: "x-p2" }, { ann: "y-p2" }]
const four: Script = [...three, { bob: "s" }]

const seconds = (from: number) => ((performance.now() - from) / 1_000).toFixed(1)

const exploreAll = (name: string, script: Script, bounds: Bounds): Exploration => {
  const from = performance.now()
  const exploration = explore(protocol(script, bounds), { statesMax })
  const { states, transitions, depth } = exploration
  console.log(`chain, ${name}: ${states} states, ${transitions} steps, depth ${depth}, ${seconds(from)} s`)
  return exploration
}

const promised = Object.keys(invariants) as ReadonlyArray<Invariant>
const unlimited = { faults: Infinity, zombies: "rest" } as const

describe("the commit chain keeps every invariant", () => {
  const explorations: ReadonlyArray<readonly [string, Script, Bounds]> = [
    ["3 messages, any faults", three, { ...unlimited, reads: 0 }],
    ["2 messages, any faults and reads", two, { ...unlimited, reads: Infinity }],
    ["an unreadable message, any faults and reads", unreadable, { ...unlimited, reads: Infinity }],
    ["2 reversals that come again, any faults", reversedAgain, { ...unlimited, reads: 0 }],
    [
      "a purchase that is reversed twice, both workers go on, 1 fault",
      reversals,
      { faults: 1, reads: 0, zombies: "act" }
    ],
    ["2 messages, both workers go on", two, { faults: 0, reads: 0, zombies: "act" }],
    ["a repeat, both workers go on, 2 faults", repeat, { faults: 2, reads: 0, zombies: "act" }],
    ["1 message of two users, both workers go on, 1 fault, 1 read", both, { faults: 1, reads: 1, zombies: "act" }],
    ["2 messages, both workers go on, 1 read", two, { faults: 0, reads: 1, zombies: "act" }],
    ["2 messages, 3 blobs of heads", apart, { faults: 0, reads: 0, heads: 3, zombies: "rest" }],
    ["2 messages, 2 blobs of heads, 1 fault", apart, { faults: 1, reads: 0, heads: 2, zombies: "rest" }],
    ["2 messages, 2 blobs of heads, both workers go on", apart, { faults: 0, reads: 0, heads: 2, zombies: "act" }],
    [
      "2 messages, bases in chunks, 1 fault",
      inTurn,
      { faults: 1, reads: 0, heads: 2, zombies: "rest", writesChunks: true }
    ]
  ]
  const larger: typeof explorations = [
    ["3 messages, any faults and reads", three, { ...unlimited, reads: Infinity }],
    ["4 messages, any faults", four, { ...unlimited, reads: 0 }],
    [
      "a purchase that is reversed twice, both workers go on, 1 fault, 1 read",
      reversals,
      { faults: 1, reads: 1, zombies: "act" }
    ],
    ["2 messages, both workers go on, 1 fault, 1 read", two, { faults: 1, reads: 1, zombies: "act" }],
    ["2 messages, both workers go on, 3 faults", two, { faults: 3, reads: 0, zombies: "act" }],
    ["3 messages, both workers go on, 1 fault", three, { faults: 1, reads: 0, zombies: "act" }],
    ["a repeat, 3 blobs of heads, 2 faults", repeat, { faults: 2, reads: 0, heads: 3, zombies: "rest" }],
    ["2 messages, 3 blobs of heads, both workers go on", apart, { faults: 0, reads: 0, heads: 3, zombies: "act" }],
    [
      "a repeat, 2 blobs of heads, both workers go on, 1 fault, 1 read",
      repeat,
      { faults: 1, reads: 1, heads: 2, zombies: "act" }
    ]
  ]
  it.each(isLarge ? [...explorations, ...larger] : explorations)(
    "every invariant holds for %s",
    (name, script, bounds) => expect(exploreAll(name, script, bounds).violation).toBeUndefined(),
    15 * minutes
  )
})

interface Planted extends Partial<Omit<Bounds, "zombies">> {
  readonly mistakes: ReadonlyArray<Mistake>
  readonly script: Script
}

/** Explores the model with workers that go on after they lost the partition. */
const explorePlanted = ({ mistakes, script, ...bounds }: Planted, invariants?: ReadonlyArray<ModelRule>) =>
  explore(protocol(script, { faults: 0, reads: 0, ...bounds, zombies: "act" }, ...mistakes), {
    statesMax,
    ...(invariants === undefined ? {} : { invariants })
  })

interface Breaking extends Planted {
  readonly breaks: ModelRule
  /** A part of the name of a step that has to be in the history. */
  readonly by?: string
}

const commits: ReadonlyArray<Breaking> = [
  { mistakes: ["commit without expectation"], script: repeat, breaks: "I2" },
  { mistakes: ["commit without expectation"], script: repeat, breaks: "position" },
  { mistakes: ["commit without expectation"], script: one, reads: 1, breaks: "I6" },
  { mistakes: ["next commit sent before the answer"], script: inTurn, faults: 1, breaks: "I1", by: "take-over record" },
  { mistakes: ["next commit sent under the same expectation"], script: inTurn, faults: 1, breaks: "I1" },
  { mistakes: ["unknown taken for success"], script: inTurn, faults: 1, breaks: "I1" },
  { mistakes: ["unknown taken for success"], script: one, faults: 1, breaks: "I8" },
  { mistakes: ["unknown taken for success"], script: one, faults: 1, reads: 1, breaks: "I6" },
  { mistakes: ["tried again behind the chain's new end"], script: one, faults: 1, breaks: "I2" },
  { mistakes: ["position advanced with a part"], script: both, breaks: "I1" },
  { mistakes: ["purge beyond the position"], script: one, breaks: "I1" },
  { mistakes: ["purge beyond the position"], script: one, breaks: "I7" },
  { mistakes: ["deciding beyond a gap"], script: two, faults: 1, breaks: "I1" },
  { mistakes: ["deciding beyond a gap"], script: two, faults: 1, breaks: "I5" },
  { mistakes: ["segment written after its commit"], script: inTurn, breaks: "references" },
  { mistakes: ["segment written after its commit"], script: [...inTurn, { ann: "s" }], breaks: "I7" },
  { mistakes: ["set not loaded"], script: repeat, breaks: "I2" },
  { mistakes: ["reversed pieces not loaded"], script: reversals, breaks: "I4" },
  { mistakes: ["refusal not recorded"], script: reversals, breaks: "I1" },
  { mistakes: ["decidedThrough not loaded"], script: both, breaks: "repeats", by: "takes over" },
  { mistakes: ["accounts kept across an epoch"], script: repeat, faults: 1, breaks: "I2" },
  { mistakes: ["accounts kept across an epoch"], script: one, faults: 1, reads: 1, breaks: "I6" },
  { mistakes: ["account loaded while its commit is on its way"], script: repeat, breaks: "I2" },
  { mistakes: ["acknowledged when received"], script: one, breaks: "I8" },
  { mistakes: ["acknowledged when sent"], script: one, breaks: "I8" },
  { mistakes: ["chain read before the record"], script: repeat, breaks: "I2" },
  { mistakes: ["chain read before the record"], script: repeat, breaks: "position" }
]

const heads: ReadonlyArray<Breaking> = [
  { mistakes: ["chain not read to its end"], script: repeat, breaks: "heads" },
  { mistakes: ["chain not read to its end"], script: repeat, breaks: "I2" },
  { mistakes: ["heads written before the acknowledgement"], script: one, heads: 1, breaks: "ahead" },
  { mistakes: ["heads written before the acknowledgement"], script: one, heads: 1, faults: 1, breaks: "heads" },
  { mistakes: ["missing blob taken for an empty one"], script: apart, heads: 2, breaks: "heads", by: "purges" },
  {
    mistakes: ["missing blob taken for an empty one"],
    script: one,
    heads: 1,
    faults: 1,
    breaks: "heads",
    by: "is lost"
  },
  { mistakes: ["manifest replaced unconditionally"], script: apart, heads: 3, breaks: "blobs", by: "purges" },
  {
    mistakes: ["manifest replaced unconditionally", "missing blob taken for an empty one"],
    script: apart,
    heads: 3,
    breaks: "I2"
  },
  { mistakes: ["purge before the manifest is stored"], script: apart, heads: 2, breaks: "blobs" },
  { mistakes: ["hint named again after a refusal"], script: apart, heads: 3, breaks: "blobs", by: "refused" },
  { mistakes: ["blobs numbered behind the manifest"], script: apart, heads: 3, breaks: "heads" },
  { mistakes: ["blobs numbered behind the manifest"], script: [...apart, { bob: "r" }], heads: 2, breaks: "I2" },
  { mistakes: ["changes forgotten before the manifest"], script: apart, heads: 3, faults: 1, breaks: "heads" },
  { mistakes: ["hint under another key"], script: apart, heads: 3, breaks: "heads", by: "refused" },
  { mistakes: ["base named complete at its end"], script: inTurn, heads: 1, writesChunks: true, breaks: "heads" }
]

const reads: ReadonlyArray<Breaking> = [
  { mistakes: ["read without barrier"], script: one, reads: 1, breaks: "I6" },
  { mistakes: ["read without owner check"], script: one, reads: 1, breaks: "I6", by: "is purged" },
  { mistakes: ["owner checked before the barrier"], script: one, reads: 1, breaks: "I6", by: "is purged" },
  { mistakes: ["proof by a commit from before the barrier"], script: inTurn, reads: 1, breaks: "I6", by: "is purged" },
  { mistakes: ["proof by an acknowledgement after the barrier"], script: inTurn, reads: 1, breaks: "I6" },
  { mistakes: ["read trusts a log without anything newer"], script: one, reads: 1, breaks: "I6", by: "is purged" }
]

describe("a planted mistake is caught", () => {
  const named = [...commits, ...heads, ...reads].map((planted) => {
    const by = planted.by === undefined ? "" : `, with "${planted.by}" in the history`
    return [`"${planted.mistakes.join('" and "')}" breaks ${planted.breaks}${by}`, planted] as const
  })
  it.each(named)("the model sees that %s", (name, { breaks, by = "", ...planted }) => {
    const { violation } = explorePlanted(planted, [breaks])
    const history = violation?.history ?? []
    if (isLarge) console.log([name, ...history].join("\n  "))
    expect(violation?.invariant, history.join("\n")).toBe(breaks)
    expect(history.join("\n")).toContain(by)
  })
})

describe("each form of the check of ownership alone", () => {
  const forms = ["commit", "read"] as const
  it.each(forms)(
    "with proofs of ownership by a %s alone, the model sees the mistake of a read that skips newer input",
    (ownerCheck) => {
      const { violation } = explorePlanted({ mistakes: ["read without barrier"], script: one, reads: 1, ownerCheck })
      expect(violation?.history.at(-1)).toContain("answers with 0 purchases")
    }
  )

  it.each(forms)("with proofs of ownership by a %s alone, every invariant holds", (ownerCheck) => {
    const { violation } = explorePlanted({ mistakes: [], script: repeat, faults: 1, reads: 1, ownerCheck })
    expect(violation, violation?.history.join("\n")).toBeUndefined()
  })
})

describe("a planted mistake of the chain does no harm, because another rule of the protocol holds", () => {
  const harmless: ReadonlyArray<readonly [string, Planted, ReadonlyArray<ModelRule>?]> = [
    [
      "a commit that is tried again under the same expectation is stored once",
      { mistakes: ["tried again under the same expectation"], script: repeat, faults: 2 }
    ],
    [
      "a commit that is tried again under the same expectation harms no read",
      { mistakes: ["tried again under the same expectation"], script: one, faults: 1, reads: 1 }
    ],
    [
      "a chain that is read before the record is whole when the record expects its end",
      { mistakes: ["chain read before the record that expects its end"], script: repeat, faults: 1 }
    ],
    [
      "the purchaseId set keeps everything but the count of repeats without decidedThrough",
      { mistakes: ["repeats passed over"], script: two, faults: 1 },
      [...promised, "position"]
    ],
    [
      "a manifest of an old owner without compare-and-set is right as long as nothing is purged",
      { mistakes: ["manifest replaced unconditionally"], script: apart, heads: 2, keepsBlobs: true }
    ],
    [
      "a manifest without compare-and-set costs blobs and no purchase when a missing blob is noticed",
      { mistakes: ["manifest replaced unconditionally"], script: apart, heads: 2 },
      [...promised, "position", "references", "ahead", "heads"]
    ],
    [
      "the order of barrier and owner's check does not matter while the input log is never purged",
      { mistakes: ["owner checked before the barrier"], script: inTurn, reads: 1, keepsInput: true }
    ],
    [
      "a proof from before the barrier does not matter while the input log is never purged",
      { mistakes: ["proof by a commit from before the barrier"], script: inTurn, reads: 1, keepsInput: true }
    ],
    [
      "a digest of the heads in each commit keeps heads that are ahead of the chain from doing harm",
      { mistakes: ["heads written before the acknowledgement"], script: one, heads: 1, faults: 1, checksDigest: true },
      [...promised, "position", "references", "heads"]
    ],
    [
      "a digest of the heads in each commit finds a chain that was not read to its end",
      { mistakes: ["chain not read to its end"], script: repeat, faults: 1, checksDigest: true }
    ],
    [
      "a digest of the heads in each commit finds a missing blob",
      { mistakes: ["missing blob taken for an empty one"], script: apart, heads: 2, checksDigest: true }
    ],
    [
      "a digest of the heads in each commit finds a base that is named complete too far",
      {
        mistakes: ["base named complete at its end"],
        script: inTurn,
        heads: 2,
        writesChunks: true,
        checksDigest: true
      }
    ]
  ]
  const larger: typeof harmless = [
    [
      "a digest of the heads in each commit finds a hint that lacks what an earlier one held",
      { mistakes: ["changes forgotten before the manifest"], script: apart, heads: 3, faults: 1, checksDigest: true }
    ],
    [
      "a digest of the heads in each commit finds a hint under another key",
      { mistakes: ["hint under another key"], script: apart, heads: 3, checksDigest: true }
    ]
  ]
  it.each((isLarge ? [...harmless, ...larger] : harmless).map(([name, ...explored]) => [name, explored] as const))(
    "%s",
    (name, [planted, invariants]) => {
      const { violation, states } = explorePlanted(planted, invariants)
      console.log(`chain, ${name}: ${states} states`)
      expect(violation, violation?.history.join("\n")).toBeUndefined()
    },
    15 * minutes
  )
})
