import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Account, type Delivered, decide } from "../../src/account/Account.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import type { PurchaseId, UserId } from "../../src/account/Identifier.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { decodeSegment, encodeSegment } from "../../src/protocol/SegmentCodec.ts"
import { AccountReader, readableRevisionIn, type ReadRevision, wholeAccountOf } from "../../src/ledger/AccountReader.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { AccountLedger } from "../support/AccountLedger.ts"
import { MemoryJournal } from "../support/MemoryJournal.ts"

const partition = 0
const head = { kind: "commit", epoch: 1, worker: "w", position: 0 } as const

/** Makes an account in a journal that also has other users' revisions. The journal counts the reads. */
const makeAccount = () => {
  const journal = new MemoryJournal()
  const append = (text: string) =>
    Effect.runSync(journal.append(partition, text, journal.newest(partition)?.sequence ?? 0))
  const ledger = new AccountLedger("ann", {
    commit: (text) => {
      append(encodeCommit(head, ['["bob","another one"]']))
      return append(text)
    },
    segment: (text) => Effect.runSync(journal.seal(text))
  })
  const read: Array<number> = []
  const chain = Layer.effect(
    CommitChain,
    Effect.map(Effect.service(CommitChain), (real) => ({
      ...real,
      at: (sequence: number) => {
        read.push(sequence)
        return real.at(sequence)
      }
    }))
  ).pipe(Layer.provide(journal.chainLayer))
  const reader = AccountReader.layer.pipe(Layer.provide(chain))
  const load = (userToken = "ann", newest = ledger.account.revisionSequence, stored?: ReadRevision) =>
    Effect.runPromise(
      Effect.result(Effect.flatMap(AccountReader, (one) => one.load(userToken, newest, stored))).pipe(
        Effect.provide(reader)
      )
    )
  return { journal, ledger, load, read }
}
type Made = ReturnType<typeof makeAccount>

const deliver = (ids: ReadonlyArray<number>, from: number): Array<Delivered> =>
  ids.map((id, index) => ({
    purchase: {
      purchaseId: `p${id}` as PurchaseId,
      userId: "ann" as UserId,
      productName: "Desk",
      productType: "Office",
      valueCents: BigInt(100 + id),
      quantity: 1
    },
    inputSequence: from + index,
    inputIndex: 0,
    // The times of this account are those of a broker whose clock steps back now and then.
    storedAt: 10_000 + (from + index) - 3 * ((from + index) % 7)
  }))

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

/** Commits ids one group after the other. The storing of a segment takes as long as some commits. */
const commitAll = ({ ledger }: Made, groups: ReadonlyArray<ReadonlyArray<number>>, commitsMeanwhile = 0) => {
  let inputSequence = ledger.account.decidedThrough + 1
  for (const ids of groups) {
    ledger.seal(commitsMeanwhile)
    ledger.commit(deliver(ids, inputSequence))
    inputSequence += ids.length
  }
}

/** Stores the segments in flight, and commits one id more, so that the newest revision names all segments. */
const commitLast = (made: Made, id: number) => {
  made.ledger.endSeal()
  made.ledger.commit(deliver([id], made.ledger.account.decidedThrough + 1))
}

const contentOf = ({ purchaseIds, ...rest }: Account, ids: ReadonlyArray<number>) => ({
  ...rest,
  size: purchaseIds.size,
  unsealed: purchaseIds.unsealedRevisions(),
  purchaseIds: ids.map((id) => [id, purchaseIds.get(`p${id}`)])
})

const loaded = async (made: Made): Promise<Account> => {
  const result = await made.load()
  if (result._tag === "Failure") throw result.failure
  return result.success
}

describe("an account that is read from the journal", () => {
  it("the account of a new user is empty and takes no read", async () => {
    const made = makeAccount()
    expect(await made.load("new", 0)).toMatchObject({ success: { count: 0, total: 0n, revisionSequence: 0 } })
    expect(made.read).toEqual([])
  })

  it("an account whose newest revisions only count repeats has the time of its newest purchase", async () => {
    const made = makeAccount()
    commitAll(made, [[1], [2]])
    made.ledger.beginSeal()
    made.ledger.endSeal()
    commitAll(made, [[1], [2], [1]])
    expect(made.ledger.account.unsealedRevisions).toBe(3)
    const { storedThrough } = await loaded(made)
    expect(storedThrough).toBe(made.ledger.account.storedThrough)
    expect(storedThrough).toBeGreaterThan(9_990)
  })

  it("an account that is read equals the account that its actor had in memory", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat({ max: 150 }), { minLength: 1, maxLength: 6 }), { maxLength: 90, size: "max" }),
        fc.integer({ min: 0, max: 40 }),
        async (groups, commitsMeanwhile) => {
          const made = makeAccount()
          commitAll(made, groups, commitsMeanwhile)
          commitLast(made, 1_000)
          const ids = [...range(0, 151), 1_000]
          expect(contentOf(await loaded(made), ids)).toEqual(contentOf(made.ledger.account, ids))
        }
      ),
      // The shrinking of long histories takes minutes.
      { numRuns: 60, endOnFailure: true }
    ))

  it("the marks of an account are the newest entries that its segments cover, each with its number and time", async () => {
    const made = makeAccount()
    commitAll(made, [range(0, 300), [300, 0], [1], range(301, 1_200), [1_501], range(1_502, 260)], 1)
    commitLast(made, 2_000)
    const { marks, applying } = await loaded(made)
    const found = new Set<string>()
    for (let from = 1; from <= applying.length; from += 1) {
      for (const mark of marks?.around(({ index }) => index >= from) ?? []) {
        const stored = made.ledger.revisions.find(({ sequence }) => sequence === applying[mark.index - 1])
        const { count, purchases } = stored?.revision ?? { count: 0, purchases: [] }
        expect(mark).toMatchObject({ number: count, storedAt: purchases.at(-1)?.storedAt })
        found.add(`${mark.index} ${mark.number}`)
      }
    }
    expect([...found]).toEqual(["1 300", "3 1501"])
  })

  it("a new account takes one read, and an account of many segments reads no record twice", async () => {
    const small = makeAccount()
    commitAll(small, [[1, 2, 3]])
    await loaded(small)
    expect(small.read).toHaveLength(1)

    const large = makeAccount()
    // An account with 600 segments has two directories.
    for (let number = 0; number < 600; number += 1) {
      large.ledger.endSeal()
      large.ledger.commit(deliver(range(4 * number, 4), 4 * number + 1))
      large.ledger.beginSeal()
    }
    commitLast(large, 2_400)
    const account = await loaded(large)
    expect({ count: account.count, ids: account.purchaseIds.size, segments: large.ledger.segments.length }).toEqual({
      count: 2_401,
      ids: 2_401,
      segments: 600
    })
    expect(large.read.toSorted((one, other) => one - other)).toEqual([
      ...large.ledger.segments,
      large.ledger.account.revisionSequence
    ])
    expect(account.links).toEqual(large.ledger.account.links)
    expect(account.applying).toEqual(large.ledger.account.applying)
    const again = deliver(range(0, 2_400), account.decidedThrough + 1)
    expect(decide(account, again).applied).toEqual([])
  })

  it("an account does not take ids of a segment that no revision names", async () => {
    const made = makeAccount()
    commitAll(made, [range(0, 300)])
    made.ledger.beginSeal()
    commitAll(made, [[301]], 1_000)
    const account = await loaded(made)
    expect({ segment: account.segment, unsealed: account.unsealedRevisions, ids: account.purchaseIds.size }).toEqual({
      segment: 0,
      unsealed: 2,
      ids: 301
    })
  })
})

/** Returns the failure of loading an account that was spoilt. */
const problemOf = async (made: Made) => {
  const result = await made.load()
  return result._tag === "Failure" && result.failure._tag === "LedgerInconsistent" ? result.failure.problem : result
}

describe("an account that is read from its newest revision", () => {
  const newestOf = ({ journal, ledger }: Made, userToken = "ann") => {
    const commit = journal.at(ledger.account.revisionSequence)
    return commit && readableRevisionIn(commit, userToken)
  }
  const wholeAccount = (made: Made) => {
    const newest = newestOf(made)
    return newest && wholeAccountOf(newest)
  }

  it("an account of one revision equals the account that its actor had in memory", () =>
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 150 }), { minLength: 1, maxLength: 80 }), (group) => {
        const made = makeAccount()
        commitAll(made, [group])
        const account = wholeAccount(made)
        const ids = range(0, 151)
        expect(account && contentOf(account, ids)).toEqual(contentOf(made.ledger.account, ids))
      })
    ))

  it("an account that further records belong to is not read from its newest revision alone", () => {
    const two = makeAccount()
    commitAll(two, [[1], [2]])
    expect(wholeAccount(two)).toBeUndefined()
    const sealed = makeAccount()
    commitAll(sealed, [range(0, 256)])
    sealed.ledger.beginSeal()
    commitLast(sealed, 256)
    expect(sealed.ledger.account).toMatchObject({ unsealedRevisions: 1, count: 257 })
    expect(wholeAccount(sealed)).toBeUndefined()
  })

  it.each([
    { unsealed: 2 },
    { segment: 7 },
    { previous: [4] },
    { count: 2 },
    { count: 0, purchases: [], segment: 7 },
    { count: 0, purchases: [], unsealed: 2 }
  ])("an account is not read from a newest revision alone that has %j beside one purchase", (other) => {
    const made = makeAccount()
    commitAll(made, [[1]])
    const newest = newestOf(made)
    expect(newest && wholeAccountOf(newest)?.count).toBe(1)
    expect(newest && wholeAccountOf({ ...newest, revision: { ...newest.revision, ...other } })).toBeUndefined()
  })

  it("an account is not read from a revision that has one id twice", () => {
    const made = makeAccount()
    commitAll(made, [[1]])
    const newest = newestOf(made)
    const purchases = [...(newest?.revision.purchases ?? []), ...(newest?.revision.purchases ?? [])]
    expect(purchases).toHaveLength(2)
    const twice = newest && { ...newest, revision: { ...newest.revision, purchases, count: 2 } }
    expect(twice && wholeAccountOf(twice)).toBeUndefined()
  })

  it("a commit has no readable revision of another user, and none on a line that is malformed", () => {
    const made = makeAccount()
    commitAll(made, [[1]])
    expect(newestOf(made, "bob")).toBeUndefined()
    expect(newestOf(made)?.revision.count).toBe(1)
    const { revisionSequence } = made.ledger.account
    const text = made.journal.at(revisionSequence)?.text ?? ""
    for (const spoilt of [text.replace("]]", "]"), text.replace('["ann"', '["anna"')]) {
      expect(spoilt).not.toBe(text)
      made.journal.spoil(revisionSequence, spoilt)
      expect(newestOf(made)).toBeUndefined()
    }
  })

  it("an account is read with the newest revision that is given, and that revision is not read again", async () => {
    const made = makeAccount()
    commitAll(made, [[1], [2]])
    const { revisionSequence } = made.ledger.account
    const result = await made.load("ann", revisionSequence, newestOf(made))
    expect(result).toMatchObject({ success: { count: 2 } })
    expect(made.read).toEqual([made.ledger.revisions[0]?.sequence])
  })
})

describe("an incomplete account, which would take a repeat for a new purchase", () => {
  /** Makes an account with two segments, an unsealed revision, and the newest revision. */
  const makeSealed = () => {
    const made = makeAccount()
    commitAll(made, [range(0, 256), range(256, 256), [512]])
    commitLast(made, 513)
    const [first = 0, second = 0] = made.ledger.segments
    expect(made.ledger.segments).toHaveLength(2)
    const [, , unsealed, newest] = made.ledger.revisions.map(({ sequence }) => sequence)
    return { made, first, second, unsealed: unsealed ?? 0, newest: newest ?? 0 }
  }

  it("an account is read if none of its records was lost", async () => {
    const { made } = makeSealed()
    expect((await loaded(made)).count).toBe(514)
  })

  it("an account is refused if its revision or a segment names a segment that is missing", async () => {
    for (const which of ["first", "second"] as const) {
      const sealed = makeSealed()
      sealed.made.journal.spoil(sealed[which], undefined)
      expect(await problemOf(sealed.made)).toBe(`account ann: segment ${sealed[which]} is missing`)
    }
  })

  it("an account is refused if one of its segments belongs to another user", async () => {
    const { made, first } = makeSealed()
    const own = decodeSegment(made.journal.at(first)?.text ?? "")
    made.journal.spoil(first, encodeSegment({ ...own, userToken: "bob" }))
    expect(await problemOf(made)).toBe(`account ann: segment ${first} is missing`)
  })

  it("an account is refused if its newest or an unsealed revision is missing, or belongs to another user", async () => {
    for (const which of ["newest", "unsealed"] as const) {
      for (const text of [undefined, encodeCommit(head, ['["anna","another one"]'])]) {
        const sealed = makeSealed()
        sealed.made.journal.spoil(sealed[which], text)
        expect(await problemOf(sealed.made)).toBe(`account ann: revision ${sealed[which]} is missing`)
      }
    }
  })

  it("an account is refused if its head is the sequence of a segment, or of another user's revision", async () => {
    const { made, first, newest } = makeSealed()
    for (const sequence of [first, newest - 1, newest + 1]) {
      expect(await made.load("ann", sequence)).toMatchObject({
        failure: { _tag: "LedgerInconsistent", problem: `account ann: revision ${sequence} is missing` }
      })
    }
  })

  it("an account is refused if its number of ids differs from its number of entries", async () => {
    const { made, first } = makeSealed()
    const own = decodeSegment(made.journal.at(first)?.text ?? "")
    const less = { ...own, revisions: [] }
    made.journal.spoil(first, encodeSegment(less))
    expect(await problemOf(made)).toBe("account ann: it has 258 ids for 514 entries")
    const more = { sequence: 1, purchaseIds: ["one more"], fingerprints: [1] }
    made.journal.spoil(first, encodeSegment({ ...own, revisions: [...own.revisions, more] }))
    expect(await problemOf(made)).toBe("account ann: it has 515 ids for 514 entries")
  })

  it("an account is refused if a later revision than its first names no earlier revision", async () => {
    const { made, newest } = makeSealed()
    const last = made.ledger.revisions.at(-1)?.revision
    if (last === undefined) throw new Error("no revision")
    const cut = encodeRevision("ann", { ...last, previous: [] })
    made.journal.spoil(newest, encodeCommit(head, [cut]))
    expect(await problemOf(made)).toBe("account ann: its chain of revisions ends early")
  })
})
