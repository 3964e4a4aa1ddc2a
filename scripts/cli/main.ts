import { Cause, Effect, Exit } from "effect"
import { CliError } from "effect/cli"
import { runCommand } from "./CommandLine.ts"
import { endOf, exitCode } from "./ExitCode.ts"
import { endBy, Interrupted } from "./Interruption.ts"
import { endWithReaderOfOutput } from "./ReaderOfOutput.ts"
import { Unfinished } from "./Unfinished.ts"

const say = (message: string): void => void process.stderr.write(`purchases: ${message}\n`)

/**
 * Prints the message of a failure, and sets the exit code. If a signal ended the command, the same signal ends the
 * process.
 */
const endWith = (failure: unknown): void => {
  const cause = failure instanceof Unfinished ? failure.cause : failure
  if (cause instanceof Interrupted) {
    if (failure instanceof Unfinished) say(failure.message)
    return endBy(cause)
  }
  const [code, message] = endOf(failure)
  say(message)
  process.exitCode = code
}

endWithReaderOfOutput()
const exit = await Effect.runPromiseExit(runCommand(process.argv.slice(2)))

if (Exit.isFailure(exit)) {
  const failure = Cause.squash(exit.cause)
  if (CliError.isCliError(failure) && failure._tag === "ShowHelp") {
    process.exitCode = failure.errors.length > 0 ? exitCode.usage : exitCode.done
  } else endWith(failure)
}
