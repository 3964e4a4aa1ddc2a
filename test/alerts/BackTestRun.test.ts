import { Duration, Effect } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { AppliedPurchase, Revision } from "../../src/account/Revision.ts"
import { previousRevisionsMax } from "../../src/account/Revision.ts"
import { purchaseTotal } from "../../src/account/Purchase.ts"
import { BackTestRun } from "../../src/alerts/BackTestRun.ts"
import { WindowTooLong, windowRevisionsMax } from "../../src/alerts/BackTestWindows.ts"
import { NaiveJudge } from "../../src/harness/alerts/NaiveJudge.ts"
import { seeded } from "../../src/harness/system/Random.ts"
import type { JournalRecord } from "../../src/nats/CommitChain.ts"
import { revisionsOf } from "../../src/nats/CommitStream.ts"
import { encodeCommit } from "../../src/protocol/Commit.ts"
import { behindCommit, type FeedPlace, isAfter } from "../../src/protocol/FeedPlace.ts"
import { encodeRevision } from "../../src/protocol/RevisionCodec.ts"
import { encodeAlertId } from "../../src/rules/Alert.ts"
import type { PlacedRevision } from "../../src/rules/Judgement.ts"
import type { Rule } from "../../src/rules/Rule.ts"
import { encodeRuleSet, type StoredRule } from "../../src/rules/RuleSet.ts"
import { type WindowBounds, windowBounds } from "../../src/rules/WindowWalk.ts"
import { anyRule } from "../rules/AnyRule.ts"

const users = ["ann", "bob", "cy"]
const products = ["Laptop", "Mouse"]
const types = ["Electronics", "Paper"]
const hour = 3_600_000

/** A journal in memory, whose commits have revisions of some users in turn. */
class MemoryLedger {
  readonly commits: Array<JournalRecord> = []
  readonly revisions: Array<PlacedRevision> = []
  reads = 0
  private readonly random: () => number
  private readonly newest = new Map<string, Revision>()
  private readonly sequences = new Map<string, Array<number>>()
  private now = Temporal.Instant.from("2026-10-24T20:00:00Z").epochMilliseconds

  constructor(seed: number, commits: number) {
    this.random = seeded(seed)
    for (let sequence = 2; sequence <= 2 * commits; sequence += 2) this.commit(sequence)
  }

  readonly chain = {
    at: (sequence: number) =>
      Effect.sync(() => {
        this.reads += 1
        return this.commits.find((commit) => commit.sequence === sequence)
      })
  }

  /** Returns a page of about three commits, with the revisions of one user or of all users. */
  pageAfter(after: FeedPlace, user: string | undefined) {
    const found = this.commits
      .flatMap(revisionsOf)
      .filter(({ place, userToken }) => isAfter(place, after) && (user === undefined || userToken === user))
    const last = found[2]?.place.sequence ?? Number.POSITIVE_INFINITY
    return Effect.succeed(found.filter(({ place }) => place.sequence <= last))
  }

  private below(count: number): number {
    return Math.floor(this.random() * count)
  }

  private purchase(index: number): AppliedPurchase {
    this.now += this.below(2) * this.below(9 * hour)
    return {
      purchaseId: `p${this.commits.length}-${index}`,
      productName: products[this.below(2)] as string,
      productType: types[this.below(2)] as string,
      valueCents: BigInt(1 + this.below(6)),
      quantity: 1 + this.below(4),
      inputSequence: this.commits.length,
      inputIndex: index,
      storedAt: this.now
    }
  }

  private commit(sequence: number): void {
    const some = users.filter(() => this.random() < 0.5)
    const lines = some.map((userId, index) => {
      const before = this.newest.get(userId)
      const purchases = Array.from({ length: this.below(4) }, (_, index) => this.purchase(index))
      const earlier = this.sequences.get(userId) ?? []
      const revision: Revision = {
        total: purchases.reduce((sum, one) => sum + purchaseTotal(one), before?.total ?? 0n),
        count: (before?.count ?? 0) + purchases.length,
        decidedThrough: 0,
        purchases,
        reversals: 0,
        repeats: new Map(),
        previous: earlier.toReversed().slice(0, previousRevisionsMax),
        unsealed: 1,
        segment: 0
      }
      this.newest.set(userId, revision)
      this.sequences.set(userId, [...earlier, sequence])
      this.revisions.push({ sequence, line: index + 1, userId, revision })
      return encodeRevision(userId, revision)
    })
    const text = encodeCommit({ kind: "commit", epoch: 0, worker: "w", position: 0 }, lines)
    this.commits.push({ sequence, storedAt: this.now, text })
  }
}

interface Options {
  /**
   * Whether one run serves all requests of a back-test. If `isKept` is missing, each request of the back-test has a run
   * of its own.
   */
  readonly isKept?: boolean
  readonly after?: FeedPlace
  readonly end?: number
  readonly revisionsMax?: number
  readonly windows?: WindowBounds
}

const stored = (rule: Rule): StoredRule => ({ ruleId: "tested", number: 7, version: 3, rule })

/**
 * Makes requests until one has no `next`. Returns the ids and measures of all alerts, and the number of purchases of
 * each request.
 */
const backTest = async (ledger: MemoryLedger, rule: Rule, options: Options = {}) => {
  const alerts: Array<string> = []
  const ends: Array<{ readonly matches: number; readonly purchases: number }> = []
  let kept: BackTestRun | undefined
  for (let after: FeedPlace | undefined = options.after ?? behindCommit(0); after !== undefined;) {
    const range = {
      after,
      end: options.end ?? Number.POSITIVE_INFINITY,
      pageAfter: (place: FeedPlace) => ledger.pageAfter(place, rule.who === "self" ? "ann" : undefined)
    }
    const bounds = {
      revisionsMax: options.revisionsMax ?? Number.POSITIVE_INFINITY,
      timeMax: Duration.hours(1),
      windows: options.windows ?? windowBounds
    }
    if (options.isKept === true) kept?.goOn(range)
    const made = { chain: ledger.chain, owner: "ann", rule: stored(rule), range, bounds }
    const run: BackTestRun = (options.isKept === true ? kept : undefined) ?? new BackTestRun(made)
    kept = run
    for (let part = await Effect.runPromise(run.next); part !== undefined; part = await Effect.runPromise(run.next)) {
      alerts.push(...part.map((alert) => `${encodeAlertId(alert)} ${alert.before} ${alert.after}`))
    }
    const { next, ...numbers } = run.end
    ends.push(numbers)
    after = next
  }
  return { alerts, ends }
}

/**
 * Returns the alerts that a naive judge finds in the commits after the sequence `after` and before the sequence `end`.
 */
const naiveAlerts = (ledger: MemoryLedger, rule: Rule, after = 0, end = Number.POSITIVE_INFINITY) => {
  const naive = new NaiveJudge()
  const text = encodeRuleSet({ changes: 1, rules: [stored({ ...rule, enabled: true })] })
  naive.changeRules("ann", 1, text)
  return ledger.revisions
    .flatMap((placed) => naive.judge(placed).map((alert) => ({ alert, sequence: placed.sequence })))
    .filter(({ sequence }) => sequence > after && sequence < end)
    .map(({ alert }) => `${encodeAlertId(alert)} ${alert.before} ${alert.after}`)
}

const purchasesOf = (ledger: MemoryLedger, rule: Rule): number =>
  ledger.revisions
    .filter(({ userId }) => rule.who === "all" || userId === "ann")
    .reduce((sum, { revision }) => sum + revision.purchases.length, 0)

/** Rules whose names and thresholds fit the purchases of the ledger. */
const meetableRule = fc
  .tuple(anyRule, fc.nat(1), fc.bigInt({ min: 1n, max: 60n }))
  .map(([{ scope, ...rule }, which, threshold]): Rule => {
    const name = (scope.kind === "productType" ? types : products)[which] as string
    const named = scope.kind === "everything" ? scope : { ...scope, name }
    return { ...rule, scope: named, threshold, from: undefined, until: undefined }
  })

describe("A back-test", () => {
  it("a back-test gives exactly the alerts of a naive judge, for any rule and any division into requests", async () => {
    let alerts = 0
    const property = fc.asyncProperty(
      meetableRule,
      fc.nat(1_000_000),
      fc.integer({ min: 1, max: 40 }),
      async (rule, seed, revisionsMax) => {
        const ledger = new MemoryLedger(seed, 60)
        const expected = naiveAlerts(ledger, rule)
        alerts += expected.length
        const whole = await backTest(ledger, rule)
        expect(whole.alerts).toEqual(expected)
        expect(whole.ends).toEqual([{ matches: expected.length, purchases: purchasesOf(ledger, rule) }])
        const kept = await backTest(ledger, rule, { revisionsMax, isKept: true })
        expect(kept.alerts).toEqual(expected)
        const low = await backTest(ledger, rule, { windows: { entriesOfUserMax: 3, blockEntriesMin: 2 } })
        expect(low.alerts).toEqual(expected)
        const cut = await backTest(ledger, rule, { revisionsMax })
        expect(cut.alerts).toEqual(expected)
        const sum = (what: "matches" | "purchases") => cut.ends.reduce((all, end) => all + end[what], 0)
        expect([sum("matches"), sum("purchases")]).toEqual([expected.length, purchasesOf(ledger, rule)])
      }
    )
    await fc.assert(property, { numRuns: 150 })
    expect(alerts).toBeGreaterThan(500)
  })

  it("a back-test of a part of the journal only measures earlier purchases, and does not judge them", async () => {
    await fc.assert(
      fc.asyncProperty(meetableRule, fc.nat(1_000_000), fc.nat(120), fc.nat(120), async (rule, seed, after, length) => {
        const ledger = new MemoryLedger(seed, 60)
        const end = after + length
        const { alerts } = await backTest(ledger, rule, { after: behindCommit(after), end })
        expect(alerts).toEqual(naiveAlerts(ledger, rule, after, end))
      }),
      { numRuns: 100 }
    )
  })

  it("each request judges some purchases, even if loading its windows exceeds the request's bound on reads", async () => {
    const ledger = new MemoryLedger(3, 200)
    const [rule] = fc.sample(meetableRule, 1)
    const running = { ...(rule as Rule), who: "self", measure: "count", is: "greater-or-equal", threshold: 1n } as const
    const tested: Rule = { ...running, scope: { kind: "product", name: "Laptop" }, within: { kind: "ever" } }
    const { alerts, ends } = await backTest(ledger, tested, { revisionsMax: 1 })
    expect(alerts).toEqual(naiveAlerts(ledger, tested))
    expect(ends.length).toBeGreaterThan(5)
  })

  it("a request that goes on with the kept run of the request before it reads no window again", async () => {
    const ledger = new MemoryLedger(5, 100)
    const [rule] = fc.sample(meetableRule, 1)
    const tested: Rule = {
      ...(rule as Rule),
      who: "all",
      measure: "count",
      scope: { kind: "product", name: "Laptop" },
      within: { kind: "length", milliseconds: 31 * 24 * hour },
      is: "greater-or-equal"
    }
    const { ends } = await backTest(ledger, tested, { revisionsMax: 10, isKept: true })
    const readsKept = ledger.reads
    await backTest(ledger, tested, { revisionsMax: 10 })
    expect(ends.length).toBeGreaterThan(3)
    expect(readsKept).toBeLessThan((ledger.reads - readsKept) / 3)
  })

  it("a back-test by a measure of one purchase reads no earlier revisions", async () => {
    const ledger = new MemoryLedger(4, 50)
    const [rule] = fc.sample(meetableRule, 1)
    const tested: Rule = { ...(rule as Rule), who: "all", measure: "value", within: { kind: "ever" }, is: "equal" }
    await backTest(ledger, tested)
    expect(ledger.reads).toBe(0)
  })

  it("a back-test fails if a window has more revisions than a back-test may read", async () => {
    const previous = Array.from({ length: 20 }, (_, index) => 39 - index)
    const empty: Revision = {
      total: 0n,
      count: 0,
      decidedThrough: 0,
      purchases: [],
      reversals: 0,
      repeats: new Map(),
      previous,
      unsealed: 1,
      segment: 0
    }
    const purchase = { ...new MemoryLedger(1, 20).revisions.flatMap(({ revision }) => revision.purchases)[0] }
    const text = (revision: Revision) =>
      encodeCommit({ kind: "commit", epoch: 0, worker: "w", position: 0 }, [encodeRevision("ann", revision)])
    let reads = 0
    const endless = { sequence: 1, storedAt: 0, text: text(empty) }
    const newest = { ...endless, sequence: 40, text: text({ ...empty, purchases: [purchase as AppliedPurchase] }) }
    const rule: Rule = {
      who: "self",
      scope: { kind: "product", name: purchase.productName ?? "" },
      measure: "count",
      within: { kind: "ever" },
      is: "crosses",
      threshold: 1n,
      from: undefined,
      until: undefined,
      enabled: true,
      note: ""
    }
    const run = new BackTestRun({
      chain: {
        at: () =>
          Effect.sync(() => {
            reads += 1
            return endless
          })
      },
      owner: "ann",
      rule: stored(rule),
      range: { after: behindCommit(0), end: 100, pageAfter: () => Effect.succeed(revisionsOf(newest)) },
      bounds: { revisionsMax: 10, timeMax: Duration.seconds(1), windows: windowBounds }
    })
    expect(await Effect.runPromise(Effect.flip(run.next))).toBeInstanceOf(WindowTooLong)
    expect(reads).toBeLessThan(2 * windowRevisionsMax)
  })
})
