import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { commitBytesMax, commitRevisionsMax } from "../../src/ledger/ProposalQueue.ts"
import { unsealedRevisionsMax } from "../../src/account/Account.ts"
import { OutcomeUnknown } from "../../src/protocol/BrokerError.ts"
import { tokenOfLine } from "../../src/protocol/Commit.ts"
import { encodeToken, inputStream } from "../../src/protocol/Subject.ts"
import { seeded, shuffled } from "../../src/harness/system/Random.ts"
import { manySold, piecesOf, postBody, sold, type Sold, wideSold } from "../../src/harness/system/Sold.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { postTo, seen } from "../support/TestService.ts"
import {
  startEdge,
  startWorker,
  type TestEdge,
  testSettings,
  type TestWorker
} from "../../src/harness/system/TestLedger.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"
import { FormerInstallation } from "./FormerInstallation.ts"
import { upgradeHere } from "./UpgradeRun.ts"

const partitions = 3
/** The limits of this upgrade are small enough for several passes, and for segments that are written early. */
const limits = { accountsOfPassMax: 8, unsealedIdsMax: 400, pageValuesMax: 50 }

/** The consumer of a worker's epoch in the former version. */
const formerConsumer = "p0-4711"

const big = userIn(0, partitions, "big")
const repeated = userIn(1, partitions, "repeated")
const wide = userIn(2, partitions, "wide")
const strange = ['ann@x.org "quoted"', "* > $KV.ledger", "名前 ✓", "a=b%20c"]

/**
 * The expected state of an account: its purchases in the order of application, and how often each purchase came again.
 */
interface Expected {
  readonly purchases: Map<string, Sold>
  readonly again: Map<string, { repeats: number; conflicts: number }>
}

const contentOf = ({ productName, productType, valueCents, quantity }: Sold): string =>
  JSON.stringify([productName, productType, valueCents, quantity])

/** Returns the expected accounts after some purchases, by the simplest rules. */
const expectedOf = (sales: ReadonlyArray<Sold>): Map<string, Expected> => {
  const accounts = new Map<string, Expected>()
  for (const sale of sales) {
    const account = accounts.get(sale.userId) ?? { purchases: new Map(), again: new Map() }
    accounts.set(sale.userId, account)
    const first = account.purchases.get(sale.purchaseId)
    if (first === undefined) {
      account.purchases.set(sale.purchaseId, sale)
      account.again.set(sale.purchaseId, { repeats: 0, conflicts: 0 })
      continue
    }
    const counts = account.again.get(sale.purchaseId) ?? { repeats: 0, conflicts: 0 }
    if (contentOf(first) === contentOf(sale)) counts.repeats += 1
    else counts.conflicts += 1
  }
  return accounts
}

/** The purchases of a history, oldest first. */
const shownOf = (purchases: ReadonlyArray<Sold>) => {
  let sum = 0
  return purchases.map(({ valueCents, quantity, ...purchase }, index) => {
    const cents = valueCents * quantity
    sum += cents
    const amounts = { value: valueCents / 100, quantity, total: cents / 100, runningTotal: sum / 100 }
    return { number: index + 1, ...purchase, ...amounts }
  })
}

/**
 * Returns purchases of several users of one partition. Some purchases come again, and some repeats have another price.
 */
const groupOf = (random: () => number): ReadonlyArray<Sold> => {
  const partition = Math.floor(random() * partitions)
  return Array.from({ length: 5 }, () => {
    const user = userIn(partition, partitions, `user-${Math.floor(random() * 4)}`)
    return sold(user, `p${Math.floor(random() * 60)}`, { valueCents: random() < 0.1 ? 7 : 500 })
  })
}

/** Returns the known purchase of an account again and again, sometimes with another price. */
const repeatsOf = (known: Sold, count: number): Array<ReadonlyArray<Sold>> =>
  Array.from({ length: count }, (_, index) => [index % 7 === 6 ? { ...known, valueCents: 99 } : known])

/**
 * Messages of every kind: large ones, several of one user in a row, repeats only, ids that need escapes, and many
 * users.
 */
const messagesOf = (random: () => number): Array<ReadonlyArray<Sold>> => [
  ...piecesOf(manySold(big, 300), 9),
  // Segments also cover revisions that only count repeats.
  manySold(repeated, 3),
  ...repeatsOf(sold(repeated, "p1", { valueCents: 100 }), 60),
  wideSold(wide, 100),
  wideSold(wide, 2),
  // The purchases of the three wide users are too large for one commit together.
  ["wide-a", "wide-b", "wide-c"].flatMap((name) => wideSold(userIn(2, partitions, name), 40)),
  ...strange.map((user) => [sold(user, 'id "with" = % ✓'), sold(user, "購買.1"), sold(user, "*")]),
  ...shuffled(
    [...piecesOf(manySold(big, 700, "late"), 11), ...Array.from({ length: 150 }, () => groupOf(random))],
    random
  )
]

describe("an installation of the former layout with accounts of every kind", () => {
  const messages = messagesOf(seeded(11))
  const accounts = expectedOf(messages.flat())
  const former = startedBeforeAll(() => FormerInstallation.start(partitions))
  let edge: TestEdge
  let worker: TestWorker
  let before: ReadonlyArray<unknown>
  let lines: ReadonlyArray<string>

  beforeAll(async () => {
    for (const message of messages) await former.apply(message)
    const filter = "purchases.0.*"
    const config = {
      name: formerConsumer,
      durable_name: formerConsumer,
      filter_subject: filter,
      ack_policy: "explicit"
    }
    await former.admin.api(`CONSUMER.CREATE.${inputStream}.${formerConsumer}.${filter}`, {
      stream_name: inputStream,
      config
    })
    before = await former.everything()
    const upgraded = await upgradeHere(former.broker.url, {}, limits)
    expect(upgraded.failure).toBeUndefined()
    lines = upgraded.lines
  })

  afterAll(async () => {
    await edge?.stop()
    await worker?.stop()
  })

  const get = async (path: string) => JSON.parse((await seen(edge.app.request(path))).body)

  const historyOf = async (first: string): Promise<ReadonlyArray<object>> => {
    const all: Array<object> = []
    for (let path: string | undefined = first; path !== undefined;) {
      const { purchases, next } = await get(path)
      all.push(...purchases.map(({ storedAt: _storedAt, ...purchase }: { readonly storedAt: string }) => purchase))
      path = next
    }
    return all
  }

  it("the upgrade prints that it wrote and compared the whole installation", () => {
    const purchases = [...accounts.values()].reduce((sum, account) => sum + account.purchases.size, 0)
    expect(lines.join("\n")).toContain(`Compared: ${purchases} purchases of ${accounts.size} accounts`)
  })

  it("the upgrade writes a chain as one take-over record, and commits within the bounds of a worker", async () => {
    for (let partition = 0; partition < partitions; partition += 1) {
      const commits = await former.admin.commits(partition)
      expect(commits.map(({ kind }) => kind)).toEqual(["takeover", ...commits.slice(1).map(() => "commit")])
      expect(new Set(commits.map(({ worker: name }) => name))).toEqual(new Set(["upgrade"]))
      for (const { lines: revisions } of commits) {
        expect(new Set(revisions.map(tokenOfLine)).size).toBe(revisions.length)
        const bytes = revisions.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
        if (revisions.length > 1) expect(bytes).toBeLessThanOrEqual(commitBytesMax)
      }
      // Many revisions share a commit if their users differ.
      expect(commits.length).toBeLessThan(commits.flatMap(({ lines: revisions }) => revisions).length + 3)
      expect(commits.at(-1)?.position).toBe(former.positions[partition])
      expect(commits.at(-1)?.epoch).toBe(commits[0]?.sequence)
    }
  })

  it("the read of an account that the upgrade wrote takes a bounded number of commits", async () => {
    for (const user of accounts.keys()) {
      const revisions = await former.admin.account(encodeToken(user))
      for (const { unsealed } of revisions) expect(unsealed).toBeLessThanOrEqual(unsealedRevisionsMax)
      for (const [index, { previous }] of revisions.entries()) expect(previous.length).toBe(Math.min(index, 20))
    }
    const [, , newest] = (await former.admin.account(encodeToken(repeated))).toReversed()
    expect(newest?.segment).toBeGreaterThan(0)
  })

  it("the upgrade removes the consumers of former epochs, because new epochs get the same numbers", async () => {
    expect((await former.admin.consumers()).map(({ name }) => name)).toEqual([])
  })

  it("after the upgrade, totals, histories and receipts follow from the purchases", async () => {
    const settings = testSettings({ NATS_URL: former.broker.url })
    edge = await startEdge(settings)
    worker = await startWorker(settings)
    for (const [user, { purchases, again }] of accounts) {
      const path = `/users/${encodeURIComponent(user)}`
      const shown = shownOf([...purchases.values()])
      const total = await get(`${path}/total`)
      expect({ purchaseCount: total.purchaseCount, total: total.total }, user).toEqual({
        purchaseCount: shown.length,
        total: shown.at(-1)?.runningTotal
      })
      expect(await historyOf(`${path}/purchases?limit=1000`), user).toEqual(shown.toReversed())
      for (const [purchaseId, { repeats, conflicts }] of again) {
        if (repeats + conflicts === 0) continue
        const receipt = await get(`${path}/purchases/${encodeURIComponent(purchaseId)}`)
        expect(
          { repeatsDropped: receipt.repeatsDropped, conflictsRejected: receipt.conflictsRejected },
          purchaseId
        ).toEqual({ repeatsDropped: repeats, conflictsRejected: conflicts })
      }
    }
  })

  it("an upgraded installation applies new purchases once, and recognises the purchases that it had", async () => {
    const user = strange[0] ?? ""
    const known = sold(user, "購買.1")
    const again = await postTo(edge.app, postBody(known), { prefer: "wait=20" })
    expect({ status: again.status, runningTotal: JSON.parse(again.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 42
    })
    const fresh = await postTo(edge.app, postBody(sold(user, "fresh")), { prefer: "wait=20" })
    expect({ status: fresh.status, runningTotal: JSON.parse(fresh.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 84
    })
    const sealed = await postTo(edge.app, postBody(sold(big, "p1", { valueCents: 100 })), { prefer: "wait=20" })
    expect({ status: sealed.status, runningTotal: JSON.parse(sealed.body).runningTotal }).toEqual({
      status: 201,
      runningTotal: 2
    })
  })

  it("the upgrade leaves the former layout unchanged", async () => {
    expect(await former.everything()).toEqual(before)
  })
})

describe("an installation with more users than a commit may have lines", () => {
  const former = startedBeforeAll(() => FormerInstallation.start(1))

  beforeAll(async () => {
    const users = Array.from({ length: commitRevisionsMax + 100 }, (_, index) => sold(`u${index}`, "1"))
    for (const message of piecesOf(users, 100)) await former.apply(message)
  })

  it("the upgrade fills a commit and begins the next, even if the broker does not answer some commits", async () => {
    const unanswered = new OutcomeUnknown({ operation: "commit", reason: "planted" })
    let commits = 0
    const upgraded = await upgradeHere(former.broker.url, {
      chain: (real) => ({
        ...real,
        // The first full commit is stored without an answer, and the commit after it is lost at first.
        append: (...commit) =>
          Effect.suspend(() => {
            commits += 1
            if (commits === 2) return Effect.andThen(real.append(...commit), Effect.fail(unanswered))
            return commits === 3 ? Effect.fail(unanswered) : real.append(...commit)
          })
      })
    })
    expect(upgraded.failure).toBeUndefined()
    const lines = (await former.admin.commits(0)).map((commit) => commit.lines.length)
    expect(lines).toEqual([0, commitRevisionsMax, 100])
    expect(commits).toBe(4)
  })
})
