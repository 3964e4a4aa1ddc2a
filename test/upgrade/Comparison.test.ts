import { Effect } from "effect"
import { beforeAll, describe, expect, it } from "vitest"
import { usualLimits } from "../../scripts/upgrade/Replay.ts"
import type { Replacements } from "../../scripts/upgrade/Upgrade.ts"
import { encodeCommit, headOf, revisionLinesOf, tokenOfLine } from "../../src/protocol/Commit.ts"
import type { Revision } from "../../src/account/Revision.ts"
import { decodeRevision, encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import type { Segment } from "../../src/account/Segment.ts"
import { decodeSegment, encodeSegment } from "../../src/protocol/SegmentCodec.ts"
import { manySold, sold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { startWorker, testSettings } from "../../src/harness/system/TestLedger.ts"
import { FormerInstallation } from "./FormerInstallation.ts"
import { upgradeHere } from "./UpgradeRun.ts"

/** Changes commits before they are written. */
const inCommits = (
  change: (head: ReturnType<typeof headOf>, lines: ReadonlyArray<string>) => string
): Replacements => ({
  chain: (real) => ({
    ...real,
    append: (partition, commit, after) => real.append(partition, change(headOf(commit), revisionLinesOf(commit)), after)
  })
})

/** Changes the revision of ann that has a count. */
const inRevision = (count: number, change: (revision: Revision) => Partial<Revision>): Replacements =>
  inCommits((head, lines) =>
    encodeCommit(
      head,
      lines.map((line) => {
        const revision = decodeRevision(line)
        if (tokenOfLine(line) !== "ann" || revision.count !== count) return line
        return encodeRevision("ann", { ...revision, ...change(revision) })
      })
    )
  )

type Applied = Revision["purchases"][number]

const inPurchase = (change: (purchase: Applied) => Partial<Applied>): Replacements =>
  inRevision(20, ({ purchases }) => ({
    purchases: purchases.map((purchase) => ({ ...purchase, ...change(purchase) }))
  }))

const inSegments = (change: (segment: Segment) => Segment): Replacements => ({
  chain: (real) => ({
    ...real,
    seal: (partition, segment) => real.seal(partition, encodeSegment(change(decodeSegment(segment))))
  })
})

const recordsLost: Replacements = { records: (real) => ({ ...real, record: () => Effect.void }) }
const recordsChanged: Replacements = {
  records: (real) => ({ ...real, record: (rejection) => real.record({ ...rejection, payload: "{ }" }) })
}
const lastStepsLost: Replacements = {
  records: (real) => ({
    ...real,
    step: (place, step, after) => (after > 0 ? Effect.void : real.step(place, step, after))
  })
}

const mistakes: ReadonlyArray<readonly [what: string, mistake: Replacements, told: RegExp]> = [
  [
    "an id",
    inPurchase(() => ({ purchaseId: "other" })),
    /account ann: purchase p20 .*purchaseId was p20, and is other/
  ],
  ["a product's name", inPurchase(() => ({ productName: "Lump" })), /p20 .*productName was Lamp, and is Lump/],
  ["a product's type", inPurchase(() => ({ productType: "" })), /p20 .*productType was Furniture/],
  ["a value", inPurchase(() => ({ valueCents: 1n })), /purchase p\d+ .*(?:valueCents|totalAfter) was/],
  ["a quantity", inPurchase(() => ({ quantity: 3 })), /purchase p\d+ .*(?:quantity|totalAfter) was/],
  ["an input sequence", inPurchase(() => ({ inputSequence: 1 })), /p20 .*inputSequence was \d+, and is 1/],
  ["a place in a message", inPurchase(() => ({ inputIndex: 7 })), /p20 .*inputIndex was 0, and is 7/],
  ["the time of storing", inPurchase(() => ({ storedAt: 5 })), /p20 .*storedAt was \d+, and is 5/],
  ["a total", inRevision(60, ({ total }) => ({ total: total + 1n })), /account ann: total was \d+, and is \d+/],
  ["a count", inRevision(60, () => ({ count: 61 })), /account ann: .*it has 60 ids for 61 entries/],
  ["what is decided", inRevision(60, () => ({ decidedThrough: 1 })), /decidedThrough was \d+, and is 1/],
  ["repeats", inRevision(60, () => ({ repeats: new Map() })), /p1 .*repeats were 2, and are 0/],
  [
    "a conflict",
    inRevision(60, () => ({ repeats: new Map([["p1", { repeats: 2, conflicts: 0 }]]) })),
    /p1 .*conflicts were 1, and are 0/
  ],
  [
    "a revision's predecessor",
    inRevision(50, ({ previous }) => ({ previous: previous.slice(1) })),
    /ann: revision 50: it names other revisions/
  ],
  ["all links to segments", inRevision(60, () => ({ segment: 0 })), /account ann: /],
  [
    "a segment's id",
    inSegments((segment) => ({
      ...segment,
      revisions: segment.revisions.map((revision) => ({
        ...revision,
        purchaseIds: revision.purchaseIds.map(() => "x")
      }))
    })),
    /account ann: .* ids for 60 entries/
  ],
  [
    "a segment's fingerprint",
    inSegments((segment) => ({
      ...segment,
      revisions: segment.revisions.map((revision) => ({
        ...revision,
        fingerprints: revision.fingerprints.map(() => 1)
      }))
    })),
    /account ann: purchase p1 .*fingerprint differs/
  ],
  [
    "an account of its own",
    inCommits((head, lines) =>
      encodeCommit(head, lines.length === 0 ? lines : [...lines, (lines[0] ?? "").replace(/"[^"]*"/, '"nobody"')])
    ),
    /all accounts: revisions were \d+, and are \d+/
  ],
  [
    "a whole account",
    inCommits((head, lines) =>
      encodeCommit(
        head,
        lines.filter((line) => tokenOfLine(line) !== "bob")
      )
    ),
    /account bob: it is missing/
  ],
  [
    "a position",
    inCommits((head, lines) => encodeCommit({ ...head, position: Math.max(0, head.position - 1) }, lines)),
    /partition 0: position was \d+, and is \d+/
  ],
  ["rejected records", recordsLost, /record \d+\/\d+: it is another one/],
  ["a rejected record's payload", recordsChanged, /record \d+\/\d+: it is another one/],
  ["a step of a replay", lastStepsLost, /record \d+\/\d+: its replay is another one/]
]

describe("the comparison of an upgrade", () => {
  const former = startedBeforeAll(() => FormerInstallation.start(1))

  beforeAll(async () => {
    for (const one of manySold("ann", 59)) await former.apply([one])
    const repeated = sold("ann", "p1", { valueCents: 100 })
    const conflicting = { ...repeated, valueCents: 3 }
    await former.apply([sold("ann", "p60"), repeated, repeated, conflicting])
    await former.apply([sold("bob", "1")])
    const place = Object.keys((await former.admin.state("KV_ledger", "$KV.ledger.rejected.>")).subjects ?? {})[0] ?? ""
    const key = place.replace("$KV.ledger.rejected", "replayed")
    const step = { version: 1, state: "begun", purchase: sold("ann", "p61") }
    await former.write(key, step)
    await former.write(key, { ...step, state: "stored", inputSequence: 3 })
  })

  it.each(mistakes)("the comparison finds that a wrong upgrade changed or lost %s", async (_what, mistake, told) => {
    const { failure } = await upgradeHere(former.broker.url, mistake)
    expect(failure?.message).toMatch(told)
    await expect(startWorker(testSettings({ NATS_URL: former.broker.url }))).rejects.toThrow("npm run upgrade")
  })

  it("the comparison finds no difference if an upgrade with few ids in memory writes segments early", async () => {
    const limits = { ...usualLimits, unsealedIdsMax: 5, pageValuesMax: 7 }
    const { lines, failure } = await upgradeHere(former.broker.url, {}, limits)
    expect(failure).toBeUndefined()
    // Without the bound on ids the journal has two segments, because 24 revisions make a segment due.
    expect(lines.join("\n")).toMatch(/Written: 61 purchases of 2 accounts, .* and [5-9] segments/)
  })
})
