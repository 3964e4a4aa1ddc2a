import { Context, Duration, Effect, Layer, Random, Semaphore } from "effect"
import { fnv1a } from "../account/TextHash.ts"
import { RuleValues } from "../nats/RuleValues.ts"
import {
  type BrokerFailure,
  type BrokerRefused,
  BrokerUnavailable,
  type OutcomeUnknown
} from "../protocol/BrokerError.ts"
import { encodeToken } from "../protocol/Subject.ts"
import type { Rule } from "../rules/Rule.ts"
import { decodeRuleSet, emptyRuleSet, encodeRuleSet, ruleOf, type RuleSet, type StoredRule } from "../rules/RuleSet.ts"
import {
  changeByPut,
  changeByRemove,
  type NoRoomForRule,
  type OtherVersion,
  type Precondition,
  type RuleMissing,
  type RuleRefusal,
  RulesBusy
} from "./RuleChange.ts"
import { RulesInAll } from "./RulesInAll.ts"

/**
 * The most attempts to store one change of rules. An attempt fails if it loses its compare-and-set to another change of
 * the rules.
 */
export const changeAttemptsMax = 5
/** The longest wait before the second attempt. The longest wait doubles with each further attempt. */
const retryWaitMilliseconds = 10
/**
 * The number of lanes for changes of rules at an edge. All changes of one user go through one lane, one after the
 * other.
 */
const lanesMax = 64
/** The longest time that a change of rules waits in its lane. */
const turnWaitMax = Duration.seconds(5)

/** The rules of a user, with the sequence of the journal at which the rules were stored. */
export interface StoredRules {
  /** The sequence of the newest value with the user's rules; 0 before the user's first rule. */
  readonly sequence: number
  readonly set: RuleSet
}

/** A rule as it is stored after a put. */
export interface PutRule {
  readonly rule: StoredRule
  /**
   * The sequence of the newest value with the user's rules. Purchases in commits behind `sequence` are judged by the
   * rule.
   */
  readonly sequence: number
  /** Whether the user had no rule of this id before. */
  readonly isNew: boolean
}

type ReadFailure = BrokerUnavailable | BrokerRefused
/** The failures that every change of rules may have. After `OutcomeUnknown` the change may be stored or not. */
export type ChangeFailure = ReadFailure | OutcomeUnknown | OtherVersion | RulesBusy

const nothingStored: StoredRules = { sequence: 0, set: emptyRuleSet }

/** Turns an unknown outcome of a read into `BrokerUnavailable`, because a read changes nothing. */
const reading = <A>(asked: Effect.Effect<A, BrokerFailure>): Effect.Effect<A, ReadFailure> =>
  Effect.mapError(asked, (failure) =>
    failure._tag === "OutcomeUnknown"
      ? new BrokerUnavailable({ operation: "read the rules", reason: failure.reason })
      : failure
  )

/** Gives a new rule its number: the sequence of the journal's value that brought the rule. */
const numbered = ({ changes, rules }: RuleSet, sequence: number): RuleSet => ({
  changes,
  rules: rules.map((stored) => (stored.number === 0 ? { ...stored, number: sequence } : stored))
})

/**
 * Makes a function that runs the changes of one user one after the other. So no change of rules loses its
 * compare-and-set to another change of the same edge. Fails a change that waits longer than {@link turnWaitMax}.
 */
const makeLanes = () => {
  const lanes = Array.from({ length: lanesMax }, () => Semaphore.makeUnsafe(1))
  const busy = new RulesBusy({ reason: "Too many changes of rules wait for their turn at this edge." })
  return <A, E>(userToken: string, change: Effect.Effect<A, E>): Effect.Effect<A, E | RulesBusy> =>
    Effect.suspend(() => {
      let hasBegun = false
      const begun = Effect.andThen(
        Effect.sync(() => void (hasBegun = true)),
        change
      )
      const late = Effect.andThen(
        Effect.sleep(turnWaitMax),
        Effect.suspend(() => (hasBegun ? Effect.never : Effect.fail(busy)))
      )
      const lane = lanes[fnv1a(userToken) % lanesMax]
      return lane === undefined ? change : Effect.raceFirst(lane.withPermits(1)(begun), late)
    })
}

/**
 * Reads and changes the rules of users. Reads of rules come from the leader of the journal. Each change of rules is a
 * compare-and-set.
 */
export class RuleStore extends Context.Service<
  RuleStore,
  {
    /**
     * Returns the rules of a user, with every change that was acknowledged before the call. Changes of about the last
     * ten seconds may be missing at an edge whose broker is cut off and was the leader.
     */
    readonly read: (userId: string) => Effect.Effect<StoredRules, ReadFailure>
    /**
     * Puts a rule under an id. If the user has the same rule under the id already, the rule keeps its version. After
     * `OutcomeUnknown` the rule may be stored or not. A successful repeat of the call shows that the rule is stored.
     */
    readonly put: (
      userId: string,
      ruleId: string,
      rule: Rule,
      condition: Precondition
    ) => Effect.Effect<PutRule, ChangeFailure | NoRoomForRule>
    /** Removes a rule. Fails with `RuleMissing` if the user has no rule of this id. */
    readonly remove: (
      userId: string,
      ruleId: string,
      condition: Precondition
    ) => Effect.Effect<StoredRules, ChangeFailure | RuleMissing>
  }
>()("purchases/alerts/RuleStore") {
  static readonly layer = Layer.effect(
    RuleStore,
    Effect.gen(function* () {
      const values = yield* RuleValues
      const rulesInAll = yield* RulesInAll
      const inTurn = makeLanes()

      const stored = (userToken: string): Effect.Effect<StoredRules, ReadFailure> =>
        Effect.map(reading(values.newest(userToken)), (value) =>
          value === undefined
            ? nothingStored
            : { sequence: value.sequence, set: decodeRuleSet(value.text, value.sequence) }
        )

      /**
       * Stores the set that `decide` makes of the user's newest rules. Calls `decide` again after each lost
       * compare-and-set. Stores a set that is unchanged as well, because only a stored message proves that the set was
       * the newest. A broker that is cut off from the others may take itself for the leader for some seconds, and return
       * an older set.
       */
      const change = Effect.fnUntraced(function* <Refusal extends RuleRefusal>(
        userToken: string,
        decide: (set: RuleSet, rulesInAll: number) => RuleSet | Refusal
      ) {
        for (let attempt = 1; ; attempt += 1) {
          const before = yield* stored(userToken)
          const set = decide(before.set, yield* rulesInAll)
          if (set instanceof Error) return yield* Effect.fail(set)
          if (attempt > changeAttemptsMax) {
            const reason = `Other changes of the same rules came first ${changeAttemptsMax} times.`
            return yield* new RulesBusy({ reason })
          }
          const sequence = yield* values
            .append(userToken, encodeRuleSet(set), before.sequence)
            .pipe(Effect.catchTag("CommitConflict", () => Effect.undefined))
          if (sequence !== undefined) return { before, after: { sequence, set: numbered(set, sequence) } }
          const share = yield* Random.next
          yield* Effect.sleep(share * retryWaitMilliseconds * 2 ** (attempt - 1))
        }
      })

      const put = (userId: string, ruleId: string, rule: Rule, condition: Precondition) => {
        const userToken = encodeToken(userId)
        const putting = change(userToken, (set, inAll) => changeByPut(set, ruleId, rule, condition, inAll))
        return inTurn(userToken, putting).pipe(
          Effect.flatMap(({ before, after: { sequence, set } }) => {
            const found = ruleOf(set, ruleId)
            return found === undefined
              ? Effect.die(new Error(`the rule ${ruleId} is missing after its change`))
              : Effect.succeed({ rule: found, sequence, isNew: ruleOf(before.set, ruleId) === undefined })
          })
        )
      }

      const remove = (userId: string, ruleId: string, condition: Precondition) => {
        const userToken = encodeToken(userId)
        const removing = change(userToken, (set) => changeByRemove(set, ruleId, condition))
        return Effect.map(inTurn(userToken, removing), ({ after }) => after)
      }

      return RuleStore.of({ read: (userId) => stored(encodeToken(userId)), put, remove })
    })
  )
}
