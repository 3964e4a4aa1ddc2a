import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Delivered } from "../../src/account/Delivered.ts"
import type { PurchaseId, ReversalId, UserId } from "../../src/account/Identifier.ts"
import { AuditPass } from "../../src/audit/AuditPass.ts"
import { AuditedUsers, wholeSlice } from "../../src/audit/AuditedUsers.ts"
import type { StreamRecord } from "../../src/audit/InputAudit.ts"
import { encodeCommit, revisionLinesOf } from "../../src/protocol/Commit.ts"
import { encodePurchases, encodeRequestText } from "../../src/protocol/PurchaseMessage.ts"
import { commitSubject, journalPrefix, purchaseSubject, segmentSubject } from "../../src/protocol/Subject.ts"
import { AccountLedger } from "../support/AccountLedger.ts"

/** A purchase or a reversal of one of three users. */
interface Request {
  readonly user: number
  readonly id: number
  readonly value: number
  /** The purchase that is reversed, and the pieces; `undefined` for a purchase. */
  readonly reverses: readonly [purchase: number, pieces: number] | undefined
}

const requests = fc.array(
  fc.record({
    user: fc.nat({ max: 2 }),
    id: fc.nat({ max: 60 }),
    value: fc.integer({ min: 1, max: 3 }),
    reverses: fc.option(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 3 })), { nil: undefined, freq: 3 })
  }),
  { minLength: 1, maxLength: 250, size: "max" }
)
const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 })

const deliveredOf = (
  { id, value, reverses }: Request,
  userId: UserId,
  place: Omit<Delivered, "purchase" | "reversal">
) =>
  (reverses === undefined
    ? {
        ...place,
        purchase: {
          purchaseId: `p${id}` as PurchaseId,
          userId,
          productName: "Lamp",
          productType: "Furniture",
          valueCents: BigInt(value),
          quantity: 1 + (id % 4)
        }
      }
    : {
        ...place,
        reversal: {
          reversalId: `p${id}` as ReversalId,
          userId,
          purchaseId: `p${reverses[0]}` as PurchaseId,
          reason: "Broken",
          ...(reverses[1] === 0 ? {} : { quantity: reverses[1] })
        }
      }) as Delivered

/** Writes a ledger of three accounts with the functions of the product. The journal has one partition. */
const writeLedger = (all: ReadonlyArray<Request>, sizes: ReadonlyArray<number>, commitsMeanwhile: number) => {
  const journal: Array<StreamRecord> = []
  const input: Array<StreamRecord> = []
  const put = (stream: Array<StreamRecord>, subject: string, text: string): number =>
    stream.push({ subject, sequence: stream.length + 1, storedAt: 0, payload: Buffer.from(text) })
  put(journal, commitSubject(0), encodeCommit({ kind: "takeover", epoch: 0, worker: "w", position: 0 }, []))
  const ledgers = ["ann", "bob", "cid"].map(
    (user) =>
      new AccountLedger(user, {
        commit: (text) => put(journal, commitSubject(0), text),
        segment: (text) => put(journal, segmentSubject(0), text)
      })
  )
  for (let from = 0, step = 0; from < all.length; step += 1) {
    const [first, ...rest] = all.slice(from, from + (sizes[step % sizes.length] as number))
    if (first === undefined) break
    const group = [first, ...rest.filter(({ user }) => user === first.user)]
    from += 1 + rest.length
    const userId = ["ann", "bob", "cid"][first.user] as UserId
    const ledger = ledgers[first.user] as AccountLedger
    const inputSequence = input.length + 1
    const delivered = group.map((request, inputIndex) =>
      deliveredOf(request, userId, { inputSequence, inputIndex, storedAt: 1_000 + step })
    )
    const texts = delivered.map(({ purchase, reversal }) => encodeRequestText(purchase ?? reversal))
    put(input, purchaseSubject(0, userId), encodePurchases(texts))
    ledger.seal(commitsMeanwhile)
    const { conflicts, refusals } = ledger.commit(delivered)
    for (const { inputIndex } of [...conflicts, ...refusals.map((refusal) => refusal.delivered)]) {
      put(journal, `${journalPrefix}rejected.${inputSequence}.${inputIndex}`, "{}")
    }
  }
  return { journal, input }
}
type Written = ReturnType<typeof writeLedger>

/** Audits a ledger in one pass, and returns the findings as texts. */
const auditOf = ({ journal, input }: Written): ReadonlyArray<string> => {
  const users = new AuditedUsers(1, crypto.getRandomValues(new Uint32Array(4)))
  const ends = { journalThrough: journal.at(-1)?.sequence ?? 0, inputThrough: input.length, positions: [input.length] }
  const pass = new AuditPass(users, ends, new Map(), wholeSlice(1), { bytesMax: 2 ** 30, isFirst: true })
  for (const message of input) pass.takeInput(message)
  for (const message of journal) pass.takeJournal(message)
  pass.end()
  return [
    ...pass.findings.listed.map(({ place, problem }) => `${place}: ${problem}`),
    ...pass.doubles.map(({ setId }) => `double: ${setId}`),
    ...pass.lost.map(({ place }) => `lost: ${place}`)
  ]
}

type Path = ReadonlyArray<number>

/** Returns the paths of all texts and numbers in a value of nested arrays. */
const leavesOf = (value: unknown, path: Path = []): Array<Path> =>
  Array.isArray(value) ? value.flatMap((one, index) => leavesOf(one, [...path, index])) : [path]

/**
 * Returns whether the audit must find a change of a leaf by one: not of `decidedThrough`, of the time of an entry, and of
 * the counts of repeats, which nothing but the next segment or revision shows.
 */
const isShown = (path: Path): boolean => {
  const [part, , member] = path
  if (part === 3 || (part === 4 && member === 7)) return false
  return part !== 5 || member === 0
}

const changedAt = (value: unknown, [index, ...rest]: Path): unknown => {
  if (index === undefined) return typeof value === "number" ? value + 1 : `${value as string}x`
  return (value as ReadonlyArray<unknown>).map((one, at) => (at === index ? changedAt(one, rest) : one))
}

/** Changes one text or number of a segment that a revision names. Returns `undefined` if no revision names a segment. */
const changedSegment = ({ journal, input }: Written, chosen: number, leaf: number): Written | undefined => {
  const lines = journal.flatMap(({ payload }) => revisionLinesOf(Buffer.from(payload).toString()))
  const named = new Set(lines.map((line) => (JSON.parse(line) as ReadonlyArray<unknown>)[8]))
  const segments = journal.filter(({ subject, sequence }) => subject === segmentSubject(0) && named.has(sequence))
  const segment = segments[chosen % segments.length]
  if (segment === undefined) return undefined
  const { v, kind, user, ...parts } = JSON.parse(Buffer.from(segment.payload).toString()) as Record<string, unknown>
  const values = Object.values(parts)
  const leaves = leavesOf(values)
  const damaged = changedAt(values, leaves[leaf % leaves.length] as Path) as ReadonlyArray<unknown>
  const members = Object.keys(parts).map((name, index) => [name, damaged[index]])
  const payload = Buffer.from(JSON.stringify({ v, kind, user, ...Object.fromEntries(members) }))
  return { input, journal: journal.map((one) => (one === segment ? { ...one, payload } : one)) }
}

/** Changes one text or number of one revision. Returns `undefined` if the chosen commit has no revision. */
const changed = ({ journal, input }: Written, commit: number, leaf: number): Written | undefined => {
  const commits = journal.filter(({ subject }) => subject === commitSubject(0)).slice(1)
  const chosen = commits[commit % commits.length]
  if (chosen === undefined) return undefined
  const text = Buffer.from(chosen.payload).toString()
  const [line = ""] = revisionLinesOf(text)
  const revision: unknown = JSON.parse(line)
  const leaves = leavesOf(revision).filter(isShown)
  const damaged = JSON.stringify(changedAt(revision, leaves[leaf % leaves.length] as Path))
  const payload = Buffer.from(text.replace(line, () => damaged))
  return { input, journal: journal.map((one) => (one === chosen ? { ...one, payload } : one)) }
}

describe("a pass of the audit", () => {
  it("finds nothing in any ledger that the functions of the product have written", () => {
    fc.assert(
      fc.property(requests, cuts, fc.nat({ max: 20 }), (all, sizes, commitsMeanwhile) => {
        expect(auditOf(writeLedger(all, sizes, commitsMeanwhile))).toEqual([])
      }),
      { numRuns: 200 }
    )
  })

  it("finds the change of any text or number of a revision", () => {
    fc.assert(
      fc.property(requests, cuts, fc.nat(), fc.nat(), (all, sizes, commit, leaf) => {
        const damaged = changed(writeLedger(all, sizes, 0), commit, leaf)
        if (damaged !== undefined) expect(auditOf(damaged)).not.toEqual([])
      }),
      { numRuns: 500 }
    )
  })

  it("finds the change of any text or number of a segment that a revision names", () => {
    let changes = 0
    fc.assert(
      fc.property(requests, fc.nat(), fc.nat(), (all, chosen, leaf) => {
        const ofOne = all.map((request) => ({ ...request, user: 0 }))
        const damaged = changedSegment(writeLedger(ofOne, [1], 0), chosen, leaf)
        if (damaged === undefined) return
        changes += 1
        expect(auditOf(damaged)).not.toEqual([])
      }),
      { numRuns: 200 }
    )
    expect(changes).toBeGreaterThan(20)
  })

  it.each<readonly [title: string, change: (text: string) => string, finding: string]>([
    [
      "two revisions of a user",
      (text) => `${text}${revisionLinesOf(text)[0]}\n`,
      "the commit has two revisions of the user"
    ],
    ["no end", (text) => text.slice(0, -1), "the commit breaks off"],
    ["more revisions than a commit may have", (text) => text + "[]\n".repeat(1_000), "the commit has 1001 revisions"],
    [
      "more bytes than a commit may have",
      (text) => `${text}${"x".repeat(2 ** 17)}\n`,
      "the revisions of the commit have"
    ],
    ["a line that is no revision", (text) => `${text}nothing\n`, "the revision cannot be read"]
  ])("finds a commit with %s", (_title, change, finding) => {
    const written = writeLedger([{ user: 0, id: 1, value: 1, reverses: undefined }], [1], 0)
    const [first, second] = written.journal as [StreamRecord, StreamRecord]
    const payload = Buffer.from(change(Buffer.from(second.payload).toString()))
    const findings = auditOf({ ...written, journal: [first, { ...second, payload }] })
    expect(findings).toContainEqual(expect.stringContaining(finding))
  })

  it("finds a take-over that does not begin at the position of the commit before it", () => {
    const written = writeLedger([{ user: 0, id: 1, value: 1, reverses: undefined }], [1], 0)
    const text = encodeCommit({ kind: "takeover", epoch: 0, worker: "w", position: 1 }, [])
    const record = { subject: commitSubject(0), sequence: 3, storedAt: 0, payload: Buffer.from(text) }
    const findings = auditOf({ ...written, journal: [...written.journal, record] })
    expect(findings).toEqual(["partition 0, commit 3: the take-over begins at position 1, not at 0"])
  })

  it("finds that a message of the journal is missing", () => {
    const written = writeLedger([{ user: 0, id: 1, value: 1, reverses: undefined }], [1], 0)
    const [first, ...rest] = written.journal
    const shifted = rest.map((message) => ({ ...message, sequence: message.sequence + 2 }))
    const findings = auditOf({ ...written, journal: [first as StreamRecord, ...shifted] })
    expect(findings).toContain("journal 2 to 3: messages are missing")
  })
})
