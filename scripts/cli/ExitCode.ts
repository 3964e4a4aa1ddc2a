import { ForeignAnswer, NoAnswer, TimedOut, WrongUrl } from "../../src/client/Failure.ts"
import { isTemporary } from "../../src/client/Retry.ts"
import { Unfinished } from "./Unfinished.ts"

/** How the command ends; `--help` lists them. A signal ends it as that signal does. */
export const exitCode = {
  done: 0,
  /** The service refused it, or does not have it. */
  refused: 1,
  /** The command line or PURCHASES_URL is wrong. */
  usage: 2,
  /** The service cannot be reached, or says that it cannot do it now. */
  unavailable: 3,
  /** The reader of the output has gone, as with the other programs of a pipe: 128 and the number of SIGPIPE. */
  outputClosed: 141
} as const

/** What a problem advises callers of the API to do, and this command does by itself. */
const advice =
  /(?: Nothing was changed; try again\.| Try again, or ask for what is known .*| Send it again with the same .*?\.| Lines up to .*)+$/

/** Returns what a failure of the client means, for people. */
export const explained = (failure: unknown): string => {
  if (failure instanceof TimedOut) {
    const seconds = failure.timeoutMilliseconds / 1_000
    return failure.last === undefined
      ? `The service did not answer within ${seconds} s. Is the address right?`
      : `${explained(failure.last)} Given up after ${seconds} s.`
  }
  if (failure instanceof NoAnswer) {
    const reason =
      failure.cause instanceof Error && failure.cause.message !== "" ? failure.cause.message : failure.message
    return `The service cannot be reached: ${reason}. Is it started?`
  }
  return (failure instanceof Error ? failure.message : String(failure)).replace(advice, "")
}

/** Returns the exit code for what a command failed with, and what to say of it. */
export const endOf = (failure: unknown): readonly [code: number, message: string] => {
  if (failure instanceof Unfinished) {
    const [code, message] = endOf(failure.cause)
    return [code, `${message}\n${failure.message}`]
  }
  if (failure instanceof WrongUrl) return [exitCode.usage, failure.message]
  const isUnavailable =
    failure instanceof NoAnswer ||
    failure instanceof TimedOut ||
    failure instanceof ForeignAnswer ||
    isTemporary(failure)
  return [isUnavailable ? exitCode.unavailable : exitCode.refused, explained(failure)]
}
