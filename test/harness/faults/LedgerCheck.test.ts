import { describe, expect, it } from "vitest"
import type { Entry, ReadAccount } from "../../../src/harness/system/Shopper.ts"
import { type Reversed, sold, type Sold } from "../../../src/harness/system/Sold.ts"
import type { BreakName } from "../../../src/harness/Invariant.ts"
import { checkInvariants, type FinalLedger, type Poison } from "../../../src/harness/faults/LedgerCheck.ts"
import type { Completed, LogLine } from "../../../src/harness/faults/LogLine.ts"
import { readOperations } from "../../../src/harness/faults/Operations.ts"

const one = sold("ann", "one", { valueCents: 100, quantity: 1 })
const two = sold("ann", "two", { valueCents: 50, quantity: 1 })
const otherOne = { ...one, quantity: 7 }

const accountOf = (sales: ReadonlyArray<Sold>): ReadAccount => {
  let total = 0n
  const entries = sales.map((sale, index): Entry => {
    total += BigInt(sale.valueCents) * BigInt(sale.quantity)
    return { ...sale, number: index + 1, runningTotal: total }
  })
  return { total, count: entries.length, entries }
}

/** A reversal of all pieces of purchase `one`, and one of all that are left then. */
const back: Reversed = { reversalId: "back", userId: "ann", purchaseId: "one", quantity: 1, reason: "Returned" }
const late: Reversed = { reversalId: "late", userId: "ann", purchaseId: "one", reason: "Returned" }

/** Returns the account of purchase `one` with its reversal. The total after the reversal is 0 if the ledger is right. */
const reversedAccount = (runningTotal = 0n): ReadAccount => {
  const [bought] = accountOf([one]).entries
  if (bought === undefined) return expect.unreachable()
  const reversal = { reversalId: "back", reason: "Returned" }
  const entries: ReadonlyArray<Entry> = [bought, { ...one, number: 2, runningTotal, reversal }]
  return { total: runningTotal, count: 2, entries }
}

/** Makes an operation log whose lines the tests write. */
const logOf = () => {
  const lines: Array<LogLine> = []
  let operation = 0
  const end = (of: number, answer: Partial<Completed>) =>
    void lines.push({ operation: of, at: lines.length, outcome: "ok", ...answer })
  const buy = (sale: Sold): number => {
    operation += 1
    lines.push({ operation, at: lines.length, edge: "edge-1", does: "buy", sale })
    return operation
  }
  const reverse = (reversal: Reversed): number => {
    operation += 1
    lines.push({ operation, at: lines.length, edge: "edge-1", does: "reverse", reversal })
    return operation
  }
  const ask = (does: "total" | "page" = "total"): number => {
    operation += 1
    lines.push({ operation, at: lines.length, edge: "edge-1", does, userId: "ann" })
    return operation
  }
  const reversed = (reversal: Reversed, answer: Partial<Completed> = {}) => end(reverse(reversal), answer)
  const bought = (sale: Sold, answer: Partial<Completed> = {}) => end(buy(sale), answer)
  const told = (count: number, total: bigint, answer: Partial<Completed> = {}) =>
    end(ask(answer.listed === undefined ? "total" : "page"), { count, total: String(total), ...answer })
  return { lines, buy, ask, end, bought, reversed, told }
}

type Log = ReturnType<typeof logOf>

interface Case {
  readonly log?: (log: Log) => void
  readonly ledger?: ReadonlyArray<Sold> | ReadAccount
  readonly restarted?: ReadonlyArray<Sold>
  readonly rejected?: FinalLedger["rejected"]
  readonly poisons?: ReadonlyArray<Poison>
}

const isAccount = (ledger: ReadonlyArray<Sold> | ReadAccount): ledger is ReadAccount => "total" in ledger

const findingsOf = async ({ log, ledger = [one, two], restarted, rejected = [], poisons }: Case) => {
  const told = logOf()
  if (log === undefined) for (const sale of [one, two]) told.bought(sale)
  else log(told)
  const account = isAccount(ledger) ? ledger : accountOf(ledger)
  const final: FinalLedger = {
    accounts: new Map([["ann", account]]),
    accountsAfterRestart: new Map([["ann", restarted === undefined ? account : accountOf(restarted)]]),
    rejected
  }
  return checkInvariants(await readOperations(told.lines), final, poisons).examples
}

const record = (sequence: number, payload: string) => ({ key: `rejected.${sequence}.0`, payload })

const asPromised: ReadonlyArray<readonly [string, Case]> = [
  ["all purchases are applied in order", {}],
  [
    "a purchase that is surely not stored is not in the history",
    { log: (log) => log.bought(one, { outcome: "fail" }), ledger: [] }
  ],
  [
    "a purchase with an unknown outcome is in the history",
    { log: (log) => log.bought(one, { outcome: "info" }), ledger: [one] }
  ],
  [
    "a purchase with an unknown outcome is not in the history",
    { log: (log) => log.bought(one, { outcome: "info" }), ledger: [] }
  ],
  ["a purchase without an answer is in the history", { log: (log) => void log.buy(one), ledger: [one] }],
  [
    "two purchases that were sent at the same time are in either order",
    {
      log: (log) => {
        const first = log.buy(one)
        const second = log.buy(two)
        log.end(first, {})
        log.end(second, {})
      },
      ledger: [two, one]
    }
  ],
  [
    "a purchase that failed and was sent again comes after a later purchase",
    {
      log: (log) => {
        log.bought(one, { outcome: "fail" })
        log.bought(two)
        log.bought(one)
      },
      ledger: [two, one]
    }
  ],
  [
    "a purchase with an unknown outcome that was sent again comes before a later purchase",
    {
      log: (log) => {
        log.bought(one, { outcome: "info" })
        log.bought(two)
        log.bought(one)
      }
    }
  ],
  [
    "another content under the same purchase id is in a rejected record",
    {
      log: (log) => {
        log.bought(one)
        log.bought(otherOne)
      },
      ledger: [one],
      rejected: [record(2, JSON.stringify(otherOne))]
    }
  ],
  [
    "later reads see more purchases",
    {
      log: (log) => {
        log.told(0, 0n)
        log.bought(one, { total: "100" })
        log.told(1, 100n, { listed: ["one"] })
        const late = log.buy(two)
        log.told(2, 150n, { listed: ["two", "one"] })
        log.end(late, {})
      }
    }
  ],
  [
    "one of two reads at the same time sees fewer purchases",
    {
      log: (log) => {
        log.bought(one)
        const late = log.buy(two)
        const before = log.ask()
        log.told(2, 150n)
        log.end(before, { count: 1, total: "100" })
        log.end(late, {})
      }
    }
  ],
  [
    "a purchase is reversed, and a read sees its negative amount",
    {
      log: (log) => {
        log.bought(one)
        log.reversed(back, { total: "0" })
        log.told(2, 0n, { listed: ["reversal back", "one"] })
        log.reversed(late, { outcome: "fail", status: 422 })
      },
      ledger: reversedAccount()
    }
  ],
  [
    "an acknowledged reversal is in a rejected record",
    {
      log: (log) => {
        log.bought(one)
        log.reversed(back)
        log.reversed(late)
      },
      ledger: reversedAccount(),
      rejected: [record(3, JSON.stringify(late))]
    }
  ],
  [
    "an unreadable message is in one rejected record",
    { poisons: [{ token: "bad", sequence: 9 }], rejected: [record(9, "{bad")], ledger: [one, two] }
  ],
  [
    "an unreadable message that may not be stored is in no rejected record",
    { poisons: [{ token: "bad", sequence: undefined }] }
  ]
]

const broken: ReadonlyArray<readonly [string, BreakName, Case]> = [
  ["an acknowledged purchase is missing", "I1 lost", { ledger: [one] }],
  [
    "an acknowledged reversal is neither applied nor in a rejected record",
    "I1 lost",
    {
      log: (log) => {
        log.bought(one)
        log.reversed(back)
        log.reversed(late)
      },
      ledger: reversedAccount()
    }
  ],
  [
    "a reversal of the history was sent with another quantity",
    "I3 phantom",
    {
      log: (log) => {
        log.bought(one)
        log.reversed({ ...back, quantity: 2 })
      },
      ledger: reversedAccount()
    }
  ],
  [
    "a reversal adds to the total",
    "I4 disagreeing",
    {
      log: (log) => {
        log.bought(one)
        log.reversed(back)
      },
      ledger: reversedAccount(200n)
    }
  ],
  [
    "a read lacks a reversal that was acknowledged before the read",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.reversed(back)
        log.told(1, 100n)
      },
      ledger: reversedAccount()
    }
  ],
  [
    "a reversal is refused although enough pieces are left",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.bought(two)
        log.reversed(back, { outcome: "fail", status: 422 })
      }
    }
  ],
  ["a purchase is in the history twice", "I2 doubled", { ledger: [one, two, two] }],
  ["a purchase of the history was never sent", "I3 phantom", { ledger: [one, two, sold("ann", "three")] }],
  ["a purchase of the history has another content", "I3 phantom", { ledger: [{ ...one, productName: "Desk" }, two] }],
  [
    "a refused purchase is in the history",
    "I3 phantom",
    { log: (log) => log.bought(one, { outcome: "fail" }), ledger: [one] }
  ],
  [
    "the history has the second content of a purchase id",
    "I3 phantom",
    {
      log: (log) => {
        log.bought(one)
        log.bought(otherOne)
      },
      ledger: [otherOne],
      rejected: [record(1, JSON.stringify(one))]
    }
  ],
  ["the total is not the sum of the history", "I4 disagreeing", { ledger: { ...accountOf([one, two]), total: 151n } }],
  [
    "the count is not the number of purchases in the history",
    "I4 disagreeing",
    { ledger: { ...accountOf([one, two]), count: 3 } }
  ],
  [
    "a running total is not the sum up to its purchase",
    "I4 disagreeing",
    {
      ledger: {
        ...accountOf([one, two]),
        entries: accountOf([one, two]).entries.map((entry) => ({ ...entry, runningTotal: 150n }))
      }
    }
  ],
  [
    "the answer to a post has another total",
    "I4 disagreeing",
    { log: (log) => log.bought(one, { total: "300" }), ledger: [one] }
  ],
  ["the account is different after a restart", "I4 disagreeing", { restarted: [one] }],
  ["a later purchase comes first in the history", "I5 out of order", { ledger: [two, one] }],
  [
    "the numbers of the history have a gap",
    "I5 out of order",
    {
      ledger: {
        ...accountOf([one, two]),
        entries: accountOf([one, two]).entries.map((entry, index) => ({ ...entry, number: 2 * index + 1 }))
      }
    }
  ],
  [
    "a read lacks a purchase that was acknowledged before the read",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.told(0, 0n)
        log.bought(two)
      }
    }
  ],
  [
    "a read has fewer purchases than an earlier read",
    "I6 stale read",
    {
      log: (log) => {
        const late = log.buy(one)
        log.told(1, 100n)
        log.told(0, 0n)
        log.end(late, {})
        log.bought(two)
      }
    }
  ],
  [
    "a read has a total that the history never had",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.told(1, 120n)
        log.bought(two)
      }
    }
  ],
  [
    "a read counts more purchases than the history has",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.bought(two)
        log.told(3, 200n)
      }
    }
  ],
  [
    "a read has a purchase that was sent after its answer",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.told(2, 150n)
        log.bought(two)
      }
    }
  ],
  [
    "a page lists other purchases than the history",
    "I6 stale read",
    {
      log: (log) => {
        log.bought(one)
        log.bought(two)
        log.told(2, 150n, { listed: ["one", "two"] })
      }
    }
  ],
  [
    "another content under the same purchase id is in no rejected record",
    "I1 unrecorded",
    {
      log: (log) => {
        log.bought(one)
        log.bought(otherOne)
      },
      ledger: [one]
    }
  ],
  ["an unreadable message is in no rejected record", "I1 unrecorded", { poisons: [{ token: "bad", sequence: 9 }] }],
  [
    "an unreadable message is in two rejected records",
    "I2 recorded twice",
    { poisons: [{ token: "bad", sequence: 9 }], rejected: [record(9, "{bad"), record(12, "{bad")] }
  ]
]

describe("The checker of fault runs", () => {
  it.each(asPromised)("the checker finds nothing when %s", async (_name, given) => {
    expect(await findingsOf(given)).toEqual([])
  })

  it.each(broken)("if %s, the checker reports %s and nothing else", async (_name, kind, given) => {
    const found = await findingsOf(given)
    expect(found).not.toEqual([])
    expect([...new Set(found.map((text) => text.slice(0, text.indexOf(":"))))]).toEqual([kind])
  })

  it("operations are counted by their outcome, and an operation without an answer counts as unknown", async () => {
    const log = logOf()
    log.bought(one)
    log.told(1, 100n)
    log.bought(two, { outcome: "fail" })
    log.bought(two, { outcome: "info" })
    log.buy(two)
    expect(await readOperations(log.lines)).toMatchObject({ ok: 2, failed: 1, unknown: 2 })
  })

  it("the worst pause of a run is the longest time without an acknowledged purchase", async () => {
    const log = logOf()
    log.bought(one, { at: 1_000 })
    log.told(1, 100n, { at: 3_000 })
    log.bought(two, { at: 3_500, outcome: "fail" })
    log.bought(two, { at: 5_000 })
    log.bought(two, { at: 5_400 })
    expect((await readOperations(log.lines)).worstPause).toBe(4_000)
  })
})
