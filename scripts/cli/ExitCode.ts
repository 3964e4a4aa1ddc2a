import { ForeignAnswer, NoAnswer, ProblemError } from "../../src/client/Failure.ts"
import { isPassing } from "../../src/client/Retry.ts"

/** How the command ends; `--help` lists them. */
export const exitCode = {
  done: 0,
  /** The service refused it, or does not have it. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The service cannot be reached, or says that it cannot do it now. */
  unavailable: 3
} as const

/** The exit code for what a command failed with, and what to say of it. */
export const endOf = (failure: unknown): readonly [code: number, message: string] => {
  if (failure instanceof ProblemError) {
    return [isPassing(failure) ? exitCode.unavailable : exitCode.refused, failure.message]
  }
  if (failure instanceof NoAnswer) {
    const reason = failure.cause instanceof Error ? ` (${failure.cause.message})` : ""
    return [exitCode.unavailable, `The service cannot be reached: ${failure.message}${reason}. Is it started?`]
  }
  if (failure instanceof ForeignAnswer) return [exitCode.unavailable, failure.message]
  return [exitCode.refused, failure instanceof Error ? failure.message : String(failure)]
}
