import type { PurchaseId, UserId } from "../../account/Identifier.ts"
import type { Purchase } from "../../account/Purchase.ts"
import { Randomness } from "./Randomness.ts"
import { type BuyOperation, type ReceiptOperation, withReversals } from "./ReversalPlan.ts"
import { type RuleOperation, ruleOperationsOf } from "./RulePlan.ts"
import { kind, type Unkindness } from "./World.ts"

/**
 * An operation of a client. The operation begins at the time `at`, or later, when the client's previous operation has its answer.
 */
export type Operation =
  | BuyOperation
  | { readonly do: "total" | "page"; readonly client: number; readonly at: number; readonly userId: UserId }
  | ReceiptOperation
  | RuleOperation

const workerFaultKinds = [
  "kill a worker",
  "a worker joins",
  "a worker leaves",
  "a worker is replaced under its name",
  "cut a worker off",
  "hold a worker back",
  "a worker is deaf",
  "two owners at once",
  "the broker restarts",
  "the broker forgets its message ids",
  "a stray take-over",
  "heads are lost",
  "a worker dies as it writes",
  "a consumer is deleted",
  "poison"
] as const

const judgeFaultKinds = [
  "kill a judge",
  "a judge joins",
  "cut a judge off",
  "hold a judge back",
  "a judge is deaf",
  "a judge dies as it writes"
] as const

/** The requests of a worker at which a plan can make the worker die. */
export const fatalOperations = [
  "commit",
  "seal",
  "record a rejection",
  "store heads",
  "replace manifest",
  "remove heads",
  "manifest",
  "page"
] as const

export interface Fault {
  readonly at: number
  readonly kind: (typeof workerFaultKinds)[number] | (typeof judgeFaultKinds)[number]
  /** A number from 0 to 1 that chooses the target and the details of the fault. */
  readonly choice: number
  /** The length of a fault that ends, in milliseconds. */
  readonly lasts: number
}

/**
 * All planned events of a run. The plan does not say which requests the network loses or delays. Random numbers from
 * the seed decide this when a request is sent.
 */
export interface Plan {
  readonly seed: number
  readonly workers: number
  readonly judges: number
  /** The number of shards of the stream of alerts. */
  readonly shards: number
  /** Whether each judge hears no signs of life of other judges, and so judges every shard. */
  readonly areJudgesAlone: boolean
  readonly duplicateWindow: number
  readonly unkindness: Unkindness
  /**
   * The time between two runs of the janitor, in milliseconds; 0 if the janitor never runs. Each run of the janitor
   * removes all applied input.
   */
  readonly cleaningEvery: number
  readonly operations: ReadonlyArray<Operation>
  readonly faults: ReadonlyArray<Fault>
}

export const partitions = 2
export const clients = 3
const users = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"] as unknown as ReadonlyArray<UserId>
/**
 * The time for faults and first attempts of clients, in milliseconds. After this time the faults end, and the processes
 * finish the remaining work.
 */
export const activeMilliseconds = 4_000
/**
 * The factor by which the times of purchases go faster than the clock of a run, so that windows of rules end within the
 * run.
 */
const purchaseTimeRate = 100
/** Returns the time of a purchase that comes at a moment of a run. An hour ends in the middle of the run. */
export const purchaseTimeAt = (now: number): number => 3_600_000 + purchaseTimeRate * (now - activeMilliseconds / 2)
const faultsPlanned = 6
const judgeFaultsPlanned = 4
/** The number of users who have rules. With few such users, clients change the rules of one user at the same time. */
const ownersPlanned = 3
const purchasesPlanned = 30
const readsPlanned = [6, 12, 20]

const unkindnessOf = (random: Randomness): Unkindness => {
  const some = (most: number) => (random.chance(0.3) ? most * random.next() : 0)
  return {
    requestLost: some(0.1),
    answerLost: some(0.1),
    requestLate: some(0.1),
    refused: some(0.06),
    deliveryLost: some(0.1),
    redelivered: some(0.3),
    reordered: some(0.1),
    behind: some(1)
  }
}

/**
 * Returns a random user. The first users buy most, and the last users buy seldom. So some accounts are long, and some
 * accounts are rarely used.
 */
const someUser = (random: Randomness): UserId => users[Math.floor(random.next() ** 2 * users.length)] as UserId

const operationsOf = (random: Randomness): ReadonlyArray<Operation> => {
  const manyAtOnce = random.choose([0, 0.2, 0.7])
  const reads = random.choose(readsPlanned)
  const bought: Array<Purchase> = []
  const next = (): Purchase => {
    const again = bought.length > 0 && random.chance(0.3) ? random.choose(bought) : undefined
    // Sends the same purchase again, or another purchase under the same id.
    if (again !== undefined) return random.chance(0.8) ? again : { ...again, quantity: again.quantity + 1 }
    const isLaptop = bought.length % 3 > 0
    const purchase: Purchase = {
      purchaseId: `p${bought.length + 1}` as PurchaseId,
      userId: someUser(random),
      productName: isLaptop ? "Laptop" : "Mouse",
      productType: "Electronics",
      valueCents: BigInt(100 + bought.length),
      quantity: 1 + (bought.length % 3)
    }
    bought.push(purchase)
    return purchase
  }
  const operations: Array<Operation> = []
  const somebody = () => ({ client: random.below(clients), at: random.below(activeMilliseconds) })
  for (let planned = 0; planned < purchasesPlanned;) {
    const count = random.chance(manyAtOnce) ? 2 + random.below(3) : 1
    operations.push({ do: "buy", ...somebody(), requests: Array.from({ length: count }, next) })
    planned += count
  }
  for (let planned = 0; planned < reads; planned += 1) {
    const kind = random.choose(["total", "page", "receipt"] as const)
    const who = somebody()
    if (kind === "receipt") operations.push({ do: kind, ...who, request: random.choose(bought) })
    else operations.push({ do: kind, ...who, userId: someUser(random) })
  }
  return operations.sort((one, other) => one.at - other.at)
}

/** Returns the operations of a plan, with reversals added. */
const reversedOf = (random: Randomness, operations: ReadonlyArray<Operation>): ReadonlyArray<Operation> => {
  const bought = operations.filter((operation) => operation.do === "buy")
  const others = operations.filter((operation) => operation.do !== "buy")
  const changed = withReversals(random, { bought, clients, within: activeMilliseconds })
  return [...others, ...changed].sort((one, other) => one.at - other.at)
}

/**
 * Returns the faults of a run. A run has few kinds of faults, and has each kind often. Otherwise a problem that needs
 * two faults of the same kind would be rare. In some runs all faults are deaths of workers during a request, and each
 * kind of request has its turn.
 */
const faultsOf = (random: Randomness): ReadonlyArray<Fault> => {
  const kinds: ReadonlyArray<Fault["kind"]> = random.chance(0.25)
    ? ["a worker dies as it writes"]
    : Array.from({ length: 1 + random.below(4) }, () => random.choose(workerFaultKinds))
  const fault = (): Fault => ({
    at: random.below(activeMilliseconds),
    kind: random.choose(kinds),
    choice: random.next(),
    lasts: 200 + random.below(3_300)
  })
  return Array.from({ length: faultsPlanned }, fault).sort((one, other) => one.at - other.at)
}

const judgeFaultsOf = (random: Randomness): ReadonlyArray<Fault> =>
  Array.from({ length: random.below(judgeFaultsPlanned + 1) }, () => ({
    at: random.below(activeMilliseconds),
    kind: random.choose(judgeFaultKinds),
    choice: random.next(),
    lasts: 200 + random.below(3_300)
  }))

export const planOf = (seed: number): Plan => {
  const random = new Randomness(seed)
  // Judges, rules and reversals are drawn from separate random numbers, so that they do not change the rest of a plan.
  const ofJudges = new Randomness(seed ^ 0x10d6e)
  const ofReversals = new Randomness(seed ^ 0x2e7e2)
  const inOrder = <Timed extends { readonly at: number }>(...lists: ReadonlyArray<ReadonlyArray<Timed>>) =>
    lists.flat().sort((one, other) => one.at - other.at)
  return {
    seed,
    workers: 1 + random.below(2),
    judges: ofJudges.choose([0, 1, 1, 2, 2]),
    shards: 1 + ofJudges.below(2),
    areJudgesAlone: ofJudges.chance(0.4),
    duplicateWindow: random.chance(0.5) ? 120_000 : 500,
    unkindness: random.chance(0.1) ? kind : unkindnessOf(random),
    cleaningEvery: random.chance(0.5) ? 600 + random.below(1_200) : 0,
    operations: inOrder<Operation>(
      reversedOf(ofReversals, operationsOf(random)),
      ruleOperationsOf(ofJudges, users.slice(0, ownersPlanned), clients, activeMilliseconds)
    ),
    faults: inOrder<Fault>(faultsOf(random), judgeFaultsOf(ofJudges))
  }
}
