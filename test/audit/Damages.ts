import { headEntryBytes } from "../../src/ledger/HeadTable.ts"
import { journalPrefix } from "../../src/protocol/Subject.ts"
import {
  commitKey,
  type RevisionParts,
  sequenceOf,
  withChunks,
  withHead,
  withManifest,
  withMessage,
  withoutHeads,
  withRevision,
  withSegment,
  withSequences,
  withText
} from "./Damage.ts"
import type { LedgerCopy } from "./LedgerCopy.ts"
import { ann, bob, cid } from "./SeededLedger.ts"

/** A damage of the seeded ledger. */
export interface Damage {
  readonly title: string
  readonly apply: (copy: LedgerCopy) => LedgerCopy
  /** The findings, each as the place, a colon, and the problem. `N` stands for any number of a commit. */
  readonly findings: ReadonlyArray<string>
}

const commitOf = (copy: LedgerCopy, id: string): number => sequenceOf(copy, "commit.", `["${id}","Lamp"`)
/** The commit of b3, which is the newest commit of bob. */
const ofB3 = (copy: LedgerCopy): number => commitOf(copy, "b3")
const ofC3 = (copy: LedgerCopy): number => commitOf(copy, "c3")
const lastOfAnn = (copy: LedgerCopy): number => commitOf(copy, "last")
const segment = (copy: LedgerCopy): number => sequenceOf(copy, "segment.", `"user":"${ann}"`)
const b3 = `commit N, user ${bob}`
const c3 = `commit N, user ${cid}`
const last = `commit N, user ${ann}`

/** Returns a copy in which the commit of c3 has one more purchase of cid, with this id and from this place of the input log. */
const withPurchase = (
  copy: LedgerCopy,
  [id, inputSequence, inputIndex]: readonly [string, number, number],
  change: (revision: RevisionParts) => void = () => undefined
): LedgerCopy =>
  withRevision(copy, ofC3(copy), cid, (revision) => {
    revision.entries.push([id, "Lamp", "Furniture", 1050, 2, inputSequence, inputIndex, revision.entries[1][7]])
    revision.total += 2100n
    revision.count += 1
    change(revision)
  })

const inRevisions: ReadonlyArray<Damage> = [
  {
    title: "a total of one cent more",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, (revision) => void (revision.total += 1n)),
    findings: [`${b3}: the total is 4201 cents, and the entries make 4200`]
  },
  {
    title: "a count of one entry more",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, (revision) => void (revision.count += 1)),
    findings: [`${b3}: the count is 6, and there are 5 entries`]
  },
  {
    title: "a number of reversals that is too low",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, (revision) => void (revision.reversals = 1)),
    findings: [`${b3}: the number of reversals is 1, and there are 2`]
  },
  {
    title: "a purchase that counts twice",
    apply: (copy) => withPurchase(copy, ["c1", 37, 2]),
    findings: [`${c3}: purchase c1 counts twice: it is applied before in commit N`]
  },
  {
    title: "a purchase that counts twice in one commit",
    apply: (copy) => withPurchase(copy, ["c4", 37, 2]),
    findings: [`${c3}: purchase c4 counts twice: it is applied before in commit N`]
  },
  {
    title: "a lost purchase",
    apply: (copy) =>
      withRevision(copy, ofC3(copy), cid, (revision) => {
        revision.entries.pop()
        revision.total -= 2100n
        revision.count -= 1
      }),
    findings: [`partition 1, input 37/1: purchase c4 of user ${cid} has no entry and no rejected record`]
  },
  {
    title: "two purchases in the wrong order",
    apply: (copy) =>
      withRevision(copy, lastOfAnn(copy), ann, (revision) => {
        revision.entries = revision.entries.toReversed()
      }),
    findings: [`${last}: purchase last: input 38/0 comes after input 38/1`]
  },
  {
    title: "a purchase that nobody sent",
    apply: (copy) => withPurchase(copy, ["ghost", 37, 2]),
    findings: [`${c3}: purchase ghost: input 37/2 is another request`]
  },
  {
    title: "a purchase from beyond the end of the input log",
    apply: (copy) => withPurchase(copy, ["ghost", 99, 0], (revision) => void (revision.decidedThrough = 99)),
    findings: [
      `${c3}: decidedThrough is 99, and the input log ends at 38`,
      `${c3}: purchase ghost: input 99/0 is beyond the end of the input log`
    ]
  },
  {
    title: "a price other than in the input log",
    apply: (copy) =>
      withRevision(copy, ofC3(copy), cid, (revision) => {
        revision.entries[1][3] = 1051
        revision.total += 2n
      }),
    findings: [`${c3}: purchase c4: input 37/1 is another request`]
  },
  {
    title: "a price that no purchase may have",
    apply: (copy) =>
      withRevision(copy, ofC3(copy), cid, (revision) => {
        revision.entries[1][3] = -1050
        revision.total -= 4200n
      }),
    findings: [
      `${c3}: purchase c4: its price or its quantity is out of bounds`,
      `${c3}: purchase c4: input 37/1 is another request`
    ]
  },
  {
    title: "a time that goes back",
    apply: (copy) => withRevision(copy, ofC3(copy), cid, ({ entries }) => void (entries[1][7] -= 60_000)),
    findings: [`${c3}: purchase c4: its time is before the time of the entry before it`]
  },
  {
    title: "a revision that names other revisions before it",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, ({ previous }) => void previous.shift()),
    findings: [`${b3}: the revision names the earlier revisions [N, N], and these are [N, N, N]`]
  },
  {
    title: "decidedThrough that does not rise",
    apply: (copy) =>
      withRevision(copy, sequenceOf(copy, "commit.", '[["b2",1,1]'), bob, (revision) => {
        revision.decidedThrough = 32
      }),
    findings: [`${b3}: decidedThrough is 32 after 32, and has to rise`]
  },
  {
    title: "a number of unsealed revisions that is too low",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, (revision) => void (revision.unsealed -= 1)),
    findings: [`${b3}: the number of unsealed revisions is 3, and there are 4`]
  },
  {
    title: "a repeat of an id that is not applied",
    apply: (copy) => withRevision(copy, ofB3(copy), bob, ({ repeats }) => void repeats.push(["nothing", 1, 0])),
    findings: [`${b3}: purchase nothing: a repeat is counted, and the id is not applied before`]
  },
  {
    title: "a revision that cannot be read",
    apply: (copy) => withText(copy, ofB3(copy), (text) => text.replace(`["${bob}","4200"`, `["${bob}",4200`)),
    findings: [
      `${b3}: the revision cannot be read`,
      `partition 0, input 34/2: purchase b3 of user ${bob} has no entry and no rejected record`
    ]
  }
]

const inReversals: ReadonlyArray<Damage> = [
  {
    title: "a reversal of more pieces than are left",
    apply: (copy) =>
      withRevision(copy, commitOf(copy, "b1") + 1, bob, (revision) => {
        revision.entries[1][4] = 4
        revision.total -= 1050n
      }),
    findings: [
      `${b3}: reversal b2: it takes back 4 pieces, and 3 are left`,
      `${b3}: reversal b2: it takes back 4 pieces, and asks for 3`,
      `${b3}: the total is 2100 cents, and the entries make 1050`
    ]
  },
  {
    title: "a reversal that names another reversal before it",
    apply: (copy) => withRevision(copy, commitOf(copy, "b1") + 1, bob, ({ entries }) => void (entries[1][8][3] = 5)),
    findings: [`${b3}: reversal b2: the reversal of this purchase before it is in commit N, not N`]
  },
  {
    title: "a reversal at another price than its purchase",
    apply: (copy) => withRevision(copy, commitOf(copy, "b1") + 1, bob, ({ entries }) => void (entries[1][1] = "Chair")),
    findings: [`${b3}: reversal b2: its names or its price are not those of its purchase`]
  }
]

const inSegments: ReadonlyArray<Damage> = [
  {
    title: "a purchase id that a segment lacks",
    apply: (copy) => withSegment(copy, segment(copy), ({ revisions }) => void revisions[2].splice(1, 2, [], [])),
    findings: [`${last}: segment N has 0 ids for the 1 entries of commit N`]
  },
  {
    title: "another purchase id in a segment",
    apply: (copy) => withSegment(copy, segment(copy), ({ revisions }) => void (revisions[2][1][0] = "other")),
    findings: [`${last}: segment N has other ids than the entries of commit N`]
  },
  {
    title: "another fingerprint in a segment",
    apply: (copy) => withSegment(copy, segment(copy), ({ revisions }) => void (revisions[2][2][0] += 1)),
    findings: [`${last}: segment N has other fingerprints than the entries of commit N`]
  },
  {
    title: "a segment without one of its revisions",
    apply: (copy) => withSegment(copy, segment(copy), ({ revisions }) => void revisions.splice(2, 1)),
    findings: [`${last}: segment N covers revision N, and N comes next`]
  },
  {
    title: "a segment that names a segment before it",
    apply: (copy) => withSegment(copy, segment(copy), ({ before }) => void before.push(3)),
    findings: [`${last}: segment N does not name the segments before it`]
  },
  {
    title: "a segment with another time of its newest entry",
    apply: (copy) => withSegment(copy, segment(copy), (value) => void (value.storedThrough += 1)),
    findings: [`${last}: segment N has the time N of the newest entry, which is of N`]
  },
  {
    title: "a segment that counts a repeat",
    apply: (copy) => withSegment(copy, segment(copy), ({ repeats }) => void repeats.push(["a3", 1, 0])),
    findings: [`${last}: segment N has counts of 1 ids, not 0`]
  },
  {
    title: "a segment that cannot be read",
    apply: (copy) => withText(copy, segment(copy), () => "{}"),
    findings: [`${last}: the revision names segment N, which is no segment of the user between N and the commit`]
  }
]

const inChains: ReadonlyArray<Damage> = [
  {
    title: "a position beyond the end of the input log",
    apply: (copy) => withHead(copy, ofC3(copy), (head) => void (head.position = 99)),
    findings: ["partition 1, commit N: the position 99 is beyond the input log, which ends at 38"]
  },
  {
    title: "a position that goes back",
    apply: (copy) => withHead(copy, ofC3(copy), (head) => void (head.position = 1)),
    findings: ["partition 1, commit N: the position goes back from 36 to 1"]
  },
  {
    title: "a commit of an old epoch",
    apply: (copy) => withHead(copy, ofC3(copy), (head) => void (head.epoch = 2)),
    findings: ["partition 1, commit N: the commit is of epoch N, and the newest take-over record is N"]
  },
  {
    title: "a commit in the chain of another partition",
    apply: (copy) =>
      withoutHeads(
        withMessage(copy, ofC3(copy), () => ({ subject: commitKey(0) })),
        1
      ),
    findings: [
      "partition 0, commit N: the commit is of epoch N, and the newest take-over record is N",
      `commit N, user ${cid}: the user belongs to partition 1, not 0`
    ]
  },
  {
    title: "a commit that cannot be read",
    apply: (copy) => withText(copy, commitOf(copy, "c1"), () => "nothing"),
    findings: [
      "partition 1, commit N: the commit cannot be read",
      `${c3}: the revision names commit N, which cannot be read`,
      "partition 1: 2 requests have no entry and no rejected record; some commits cannot be read"
    ]
  }
]

const renamed = (copy: LedgerCopy, key: string): LedgerCopy =>
  withMessage(copy, sequenceOf(copy, `rejected.${key}`, ""), () => ({ subject: `${journalPrefix}replayed.${key}` }))

const besideChains: ReadonlyArray<Damage> = [
  {
    title: "a missing rejected record of a conflict",
    apply: (copy) => renamed(copy, "33.1"),
    findings: [
      `partition 0, input 33/1: purchase b2 of user ${bob} was applied before with another content, and has no rejected record`
    ]
  },
  {
    title: "a missing rejected record of a refused reversal",
    apply: (copy) => renamed(copy, "34.1"),
    findings: [`partition 0, input 34/1: reversal r4 of user ${bob} has no entry and no rejected record`]
  },
  {
    title: "a missing rejected record of an unreadable message",
    apply: (copy) => renamed(copy, "36.0"),
    findings: ["partition 1, input 36/0: the request has no entry and no rejected record"]
  },
  {
    title: "heads that name older revisions",
    apply: (copy) => withChunks(copy, 0, withSequences(3)),
    findings: [
      `heads of partition 0, user ${ann}: the heads up to N name commit 3, and the newest revision is in commit N`,
      `heads of partition 0, user ${bob}: the heads up to N name commit 3, and the newest revision is in commit N`
    ]
  },
  {
    title: "heads without a user",
    apply: (copy) => withChunks(copy, 0, (chunk) => chunk.subarray(0, 0)),
    findings: [
      `heads of partition 0, user ${ann}: the heads up to N have no head of the user, and the newest revision is in commit N`,
      `heads of partition 0, user ${bob}: the heads up to N have no head of the user, and the newest revision is in commit N`
    ]
  },
  {
    title: "heads that reach beyond the journal",
    apply: (copy) => withManifest(copy, 0, (text) => text.replace(/"through":[0-9]+/, '"through":999')),
    findings: ["heads of partition 0: the heads reach to commit 999, and the journal to N"]
  },
  {
    title: "heads whose manifest cannot be read",
    apply: (copy) => withManifest(copy, 0, () => "{}"),
    findings: ["heads of partition 0: the manifest cannot be read"]
  },
  {
    title: "heads with a user who does not exist",
    apply: (copy) =>
      withChunks(copy, 0, (chunk) => Buffer.concat([chunk, withSequences(3)(Buffer.alloc(headEntryBytes, 7))])),
    findings: ["heads of partition 0: 1 heads belong to no user who has a revision"]
  }
]

/** All damages of the seeded ledger, each with its findings. */
export const damages: ReadonlyArray<Damage> = [
  ...inRevisions,
  ...inReversals,
  ...inSegments,
  ...inChains,
  ...besideChains
]
