import { Effect, Layer } from "effect"
import { array, assert, asyncProperty, constantFrom, integer, nat, property, uniqueArray } from "fast-check"
import { describe, expect, it } from "vitest"
import { FirstUsers } from "../../src/ledger/FirstUsers.ts"
import { HeadTable } from "../../src/ledger/HeadTable.ts"
import { headUsersOf } from "../../src/ledger/HeadUsers.ts"
import { UserPages } from "../../src/ledger/UserPages.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { usersLookedMax } from "../../src/protocol/Query.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { encodeToken } from "../../src/protocol/Subject.ts"

/** A chain of commits with the heads of its users. Counts the commits that are read. */
class ChainOfUsers {
  readonly table = new HeadTable(Uint32Array.of(1, 2, 3, 4))
  readonly counts = new Map<string, number>()
  reads = 0
  private readonly texts: Array<string> = []

  commit(userIds: ReadonlyArray<string>): void {
    const sequence = this.texts.length + 1
    const lines = userIds.map((userId) => {
      const count = (this.counts.get(userId) ?? 0) + 1
      this.counts.set(userId, count)
      const total = BigInt(100 * count)
      const rest = { reversals: 0, decidedThrough: 0, purchases: [], repeats: new Map(), previous: [] }
      return encodeRevision(encodeToken(userId), { total, count, ...rest, unsealed: 1, segment: 0 })
    })
    this.texts.push(encodeCommit({ kind: "commit", epoch: 1, worker: "w", position: 0 }, lines))
    for (const userId of userIds) this.table.set(encodeToken(userId), sequence)
  }

  /** Loses a user's newest commit, as no worker may do. */
  lose(userId: string): void {
    this.texts[this.table.find(encodeToken(userId)) - 1] = ""
  }

  page(from: number, limit: number, prefix = "") {
    const chain = Layer.mock(CommitChain, {
      at: (sequence) => {
        this.reads += 1
        const text = this.texts[sequence - 1]
        return Effect.succeed(text === undefined || text === "" ? undefined : { sequence, storedAt: 0, text })
      }
    })
    return Effect.runPromise(
      Effect.flatMap(UserPages, (pages) => pages.page(headUsersOf(this.table), { from, limit, prefix })).pipe(
        Effect.provide(UserPages.layer.pipe(Layer.provide(chain)))
      )
    )
  }

  /** Follows the pages to the last page. `between` runs before each further page. */
  async walk(limits: ReadonlyArray<number>, prefix = "", between: (page: number) => void = () => undefined) {
    const found: Array<readonly [string, number]> = []
    let from: number | undefined = 0
    for (let page = 0; from !== undefined; page += 1) {
      const read: Effect.Success<ReturnType<(typeof UserPages)["Service"]["page"]>> = await this.page(
        from,
        limits[page % limits.length] ?? 1,
        prefix
      )
      for (const { userId, count } of read.users) found.push([userId, count])
      from = read.next
      between(page)
    }
    return found
  }
}

const userId = constantFrom(...Array.from({ length: 80 }, (_, index) => `${"abä"[index % 3]}${index}`))
const commits = array(uniqueArray(userId, { minLength: 1, maxLength: 10 }), { maxLength: 40 })
const limits = array(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 })
const chainOf = (drawn: ReadonlyArray<ReadonlyArray<string>>) => {
  const chain = new ChainOfUsers()
  for (const userIds of drawn) chain.commit(userIds)
  return chain
}
const byName = (users: Iterable<readonly [string, number]>) =>
  [...users].toSorted(([one], [other]) => (one < other ? -1 : 1))

describe("pages of users", () => {
  it("the pages of a partition list each user once, with the newest counts of the user", () =>
    assert(
      asyncProperty(commits, limits, constantFrom("", "a", "ä", "b1"), async (drawn, sizes, prefix) => {
        const chain = chainOf(drawn)
        const found = await chain.walk(sizes, encodeToken(prefix))
        expect(byName(found)).toEqual(byName(chain.counts).filter(([id]) => id.startsWith(prefix)))
      }),
      { numRuns: 50 }
    ))

  it("a user who buys while the pages are read is listed once", () =>
    assert(
      asyncProperty(commits, commits, limits, async (drawn, later, sizes) => {
        const chain = chainOf(drawn)
        const known = new Set(chain.counts.keys())
        const found = await chain.walk(sizes, "", (page) => chain.commit(later[page] ?? []))
        const names = found.map(([id]) => id)
        expect(new Set(names).size).toBe(names.length)
        expect(known.difference(new Set(names)).size).toBe(0)
      }),
      { numRuns: 50 }
    ))

  it("users are listed once although the table of heads grows between two pages", async () => {
    const chain = new ChainOfUsers()
    for (let index = 0; index < 600; index += 1) chain.commit([`old-${index}`])
    let grown = 0
    const found = await chain.walk([50], "", () => {
      for (let index = 0; index < 300; index += 1) chain.commit([`new-${(grown += 1)}`])
    })
    const old = found.map(([id]) => id).filter((id) => id.startsWith("old-"))
    expect({ listed: old.length, distinct: new Set(old).size }).toEqual({ listed: 600, distinct: 600 })
  })

  it("a page with a prefix reads a bounded number of commits, and the next page goes on", async () => {
    const chain = new ChainOfUsers()
    for (let index = 0; index < 3 * usersLookedMax; index += 1) chain.commit([`user-${index}`])
    const page = await chain.page(0, 100, "nobody")
    expect({ users: page.users, goesOn: page.next !== undefined, reads: chain.reads }).toEqual({
      users: [],
      goesOn: true,
      reads: usersLookedMax
    })
    expect(await chain.walk([100], "nobody")).toEqual([])
  })

  it("a user whose commit is lost is left out, and the other users are listed", async () => {
    const chain = new ChainOfUsers()
    for (const name of ["ann", "bob", "cid"]) chain.commit([name])
    chain.lose("bob")
    expect(byName(await chain.walk([1]))).toEqual([
      ["ann", 1],
      ["cid", 1]
    ])
  })
})

describe("the first users of a table", () => {
  it("the first users have the lowest places from a given place on, with all users at the last of these places", () =>
    assert(
      property(array(nat(50)), nat(50), integer({ min: 1, max: 8 }), (words, from, limit) => {
        const first = new FirstUsers(from * 2 ** 21, limit)
        for (const [index, word] of words.entries()) first.offer(word, 0, index + 1, () => String(index))
        const wanted = words.filter((word) => word >= from).toSorted((one, other) => one - other)
        const last = wanted[limit - 1]
        const expected = last === undefined ? wanted : wanted.filter((word) => word <= last)
        const { users, isCut } = first.page()
        expect(users.map(({ place }) => place / 2 ** 21)).toEqual(expected)
        expect(isCut).toBe(expected.length < wanted.length)
      })
    ))
})
