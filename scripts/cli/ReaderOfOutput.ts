import { exitCode } from "./ExitCode.ts"

/**
 * Ends the process at the first write that fails. Prints nothing if the reader of the output has gone, as other
 * programs do. If a write fails for another reason, prints the reason on stderr.
 */
export const endWithReaderOfOutput = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (failure: NodeJS.ErrnoException) => {
      if (failure.code === "EPIPE") process.exit(exitCode.outputClosed)
      if (stream === process.stdout) {
        process.stderr.write(`purchases: The output could not be written: ${failure.message}.\n`)
      }
      process.exit(exitCode.refused)
    })
  }
}
