import { exitCode } from "./ExitCode.ts"

/** Ends the process without a word at the first write after the reader of its output has gone, as other programs do. */
export const endWithReaderOfOutput = (): void => {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (failure: NodeJS.ErrnoException) => {
      if (failure.code !== "EPIPE") throw failure
      process.exit(exitCode.outputClosed)
    })
  }
}
