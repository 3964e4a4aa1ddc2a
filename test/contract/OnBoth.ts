import { Effect, Exit, type Scope } from "effect"
import { describe } from "vitest"
import { failureOf } from "../../src/runtime/ExitFailure.ts"
import { CommitChain } from "../../src/nats/CommitChain.ts"
import { HeadStore } from "../../src/nats/HeadStore.ts"
import { InputLog } from "../../src/nats/InputLog.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import type { BrokerServices } from "../../src/harness/simulation/SimulatedBroker.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { type BrokerUnderTest, type BrokerOptions, openMemoryBroker, openRealBroker } from "./BrokerUnderTest.ts"

export const partitions = 8
export const usual: BrokerOptions = { partitions, duplicateWindowMilliseconds: 120_000, inputBytesMax: 64 * 1024 ** 2 }

const kinds = [
  { kind: "the real server", open: openRealBroker },
  { kind: "the broker in memory", open: openMemoryBroker }
]

/** Checks a condition again and again until it holds. The waits between two checks use the clock of the broker. */
export const until = (holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.succeed(true) : Effect.as(Effect.sleep(5), false))).pipe(
    Effect.repeat({ until: (held) => held }),
    Effect.timeout("20 seconds")
  )

/** Opens the broker for the tests of a contract, and closes the broker after the tests. */
const contractOf = (broker: BrokerUnderTest) => {
  /** Returns the result of an effect, or its failure. */
  const outcome = async <A, E>(effect: Effect.Effect<A, E, BrokerServices | Scope.Scope>): Promise<A | E> => {
    const exit = await broker.run(effect)
    if (Exit.isSuccess(exit)) return exit.value
    const failure = failureOf(exit)
    if (failure === undefined) throw new Error(`it died: ${JSON.stringify(exit)}`)
    return failure
  }
  const chain = <A, E>(use: (chain: (typeof CommitChain)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(CommitChain, use))
  const heads = <A, E>(use: (heads: (typeof HeadStore)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(HeadStore, use))
  const rejected = <A, E>(use: (rejected: (typeof RejectedRecords)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(RejectedRecords, use))
  const input = <A, E>(use: (input: (typeof InputLog)["Service"]) => Effect.Effect<A, E>) =>
    outcome(Effect.flatMap(InputLog, use))
  const append = async (subject: string, id: string, payload = "{}") => {
    const stored = await input((log) => log.append(subject, id, payload))
    if (!("sequence" in stored)) throw new Error(`not stored: ${stored.message}`)
    return stored
  }
  const refuse: BrokerUnderTest["refuse"] = (delivery) => broker.refuse(delivery)
  const restart: BrokerUnderTest["restart"] = () => broker.restart()
  return { outcome, chain, heads, rejected, input, append, refuse, restart }
}

/** Runs the same tests on a real broker, and on the broker in memory that the simulation uses. */
export const onBoth = (
  what: string,
  options: BrokerOptions,
  tests: (contract: ReturnType<typeof contractOf>) => void
): void => {
  describe.each(kinds)(`${what}, on $kind`, ({ open }) => {
    tests(contractOf(startedBeforeAll(() => open(options))))
  })
}
