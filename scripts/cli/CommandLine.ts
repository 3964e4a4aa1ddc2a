import { layer as processes } from "@effect/platform-node-shared/NodeChildProcessSpawner"
import { layer as files } from "@effect/platform-node-shared/NodeFileSystem"
import { layer as paths } from "@effect/platform-node-shared/NodePath"
import { layer as standardStreams } from "@effect/platform-node-shared/NodeStdio"
import { layer as terminal } from "@effect/platform-node-shared/NodeTerminal"
import { Effect, Layer } from "effect"
import { CliConfig, CliOutput, Command, GlobalFlag } from "effect/cli"
import packageJson from "../../package.json" with { type: "json" }
import { purchases } from "./commands.ts"
import { shortUsage } from "./WrongUsage.ts"

const platform = Layer.mergeAll(processes, standardStreams, terminal).pipe(
  Layer.provideMerge(Layer.mergeAll(files, paths))
)

const output = Layer.mergeAll(
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] }),
  Layer.succeed(CliOutput.Presenter, shortUsage)
)

/**
 * Runs the command that the words of a command line name. If the command line is wrong, fails and prints the reason on
 * stderr.
 */
export const runCommand = (words: ReadonlyArray<string>) =>
  Command.runWith(purchases, { version: packageJson.version })(words).pipe(Effect.provide([platform, output]))
