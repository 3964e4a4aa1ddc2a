import { ForeignAnswer, NoAnswer, TimedOut, WrongUrl } from "../../src/client/Failure.ts"
import { isTemporary } from "../../src/client/Retry.ts"
import { AuditFailure } from "./AuditFailure.ts"
import { Unfinished } from "./Unfinished.ts"
import { UnusableFile } from "./UnusableFile.ts"

/** The exit codes, which `--help` lists. A signal ends a command as it ends other programs. */
export const exitCode = {
  done: 0,
  /** The exit code if the service refused the request, or found nothing, or if the audit of the ledger has findings. */
  refused: 1,
  /** The exit code if the command line, PURCHASES_URL, PURCHASES_TOKEN or a file of the command line is wrong. */
  usage: 2,
  /** The exit code if the service cannot be reached, or cannot do the command now. */
  unavailable: 3,
  /**
   * The exit code if the reader of the output has gone: 128 plus the number of SIGPIPE, as for other programs of a
   * pipe.
   */
  outputClosed: 141
} as const

/**
 * Matches the advice of a problem to callers of the API. People do not need the advice, because the command line itself
 * follows the advice.
 */
const advice =
  /(?: Nothing was changed; try again\.| Try again, or ask for .*| Send it again with the same .*?\.| Lines up to .*)+$/

/** The token of the command line cannot be read. */
export class WrongToken extends Error {}

/** Returns the meaning of a failure of the client as sentences for people. */
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

/** Returns the exit code of a failure, and its message. */
export const endOf = (failure: unknown): readonly [code: number, message: string] => {
  if (failure instanceof Unfinished) {
    const [code, message] = endOf(failure.cause)
    return [code, `${message}\n${failure.message}`]
  }
  if (failure instanceof WrongUrl || failure instanceof WrongToken || failure instanceof UnusableFile) {
    return [exitCode.usage, failure.message]
  }
  if (failure instanceof AuditFailure) {
    return [failure.isUsage ? exitCode.usage : exitCode.unavailable, failure.message]
  }
  const isUnavailable =
    failure instanceof NoAnswer ||
    failure instanceof TimedOut ||
    failure instanceof ForeignAnswer ||
    isTemporary(failure)
  return [isUnavailable ? exitCode.unavailable : exitCode.refused, explained(failure)]
}
