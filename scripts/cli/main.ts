import { layer as processes } from "@effect/platform-node-shared/NodeChildProcessSpawner"
import { layer as files } from "@effect/platform-node-shared/NodeFileSystem"
import { layer as paths } from "@effect/platform-node-shared/NodePath"
import { layer as standardStreams } from "@effect/platform-node-shared/NodeStdio"
import { layer as terminal } from "@effect/platform-node-shared/NodeTerminal"
import { Cause, Effect, Exit, Layer } from "effect"
import { Command } from "effect/cli"
import packageJson from "../../package.json" with { type: "json" }
import { purchases } from "./commands.ts"
import { endOf, exitCode } from "./ExitCode.ts"

const platform = Layer.mergeAll(processes, standardStreams, terminal).pipe(
  Layer.provideMerge(Layer.mergeAll(files, paths))
)

const run = Command.runWith(purchases, { version: packageJson.version })(process.argv.slice(2))
const exit = await Effect.runPromiseExit(Effect.provide(run, platform))

if (Exit.isFailure(exit)) {
  const failure = Cause.squash(exit.cause)
  if (failure instanceof Error && "_tag" in failure && failure._tag === "ShowHelp") {
    process.exitCode = "errors" in failure && (failure.errors as ReadonlyArray<unknown>).length > 0 ? exitCode.usage : 0
  } else {
    const [code, message] = endOf(failure)
    process.stderr.write(`purchases: ${message}\n`)
    process.exitCode = code
  }
}
