import { parseArgs } from "node:util"
import { Cause, Effect, Exit } from "effect"
import { readEnvironment } from "../../src/Settings.ts"
import { usualLimits } from "./Replay.ts"
import { upgrade, type UpgradeReport } from "./Upgrade.ts"
import { exitCode, UpgradeFailure } from "./UpgradeFailure.ts"

const usage = `usage: npm run upgrade

Writes the accounts of a former version in the present layout, and compares every purchase.
Stop all workers and edges first. NATS_URL is the address of the broker. The former accounts stay as they are.
docs/upgrading.md says what changes, and lists the exit codes.`

const progressEveryMilliseconds = 1_000

const makeReport = (): UpgradeReport => {
  let shownAt = performance.now()
  const clear = (): void => void (process.stderr.isTTY && process.stderr.write("\r\u001B[K"))
  return {
    say: (line) => {
      clear()
      console.log(line)
    },
    progress: (text) => {
      if (performance.now() - shownAt < progressEveryMilliseconds) return
      shownAt = performance.now()
      clear()
      process.stderr.write(process.stderr.isTTY ? text : `${text}\n`)
    }
  }
}

/** Prints the failure for people, and ends the process with its exit code. */
const end = (cause: Cause.Cause<{ readonly message: string }>): never => {
  const failure = Cause.squash(cause)
  const code = failure instanceof UpgradeFailure ? failure.exitCode : exitCode.failed
  console.error(`upgrade: ${failure instanceof Error ? failure.message : String(failure)}`)
  process.exit(code)
}

const run = async (): Promise<void> => {
  const settings = await Effect.runPromiseExit(readEnvironment)
  if (Exit.isFailure(settings)) {
    console.error(`upgrade: ${String(Cause.squash(settings.cause))}`)
    process.exit(exitCode.usage)
  }
  const done = await Effect.runPromiseExit(
    upgrade({ settings: settings.value, limits: usualLimits, report: makeReport() })
  )
  if (Exit.isFailure(done)) end(done.cause)
}

const readHelp = (): boolean => {
  try {
    return parseArgs({ options: { help: { type: "boolean", default: false } } }).values.help
  } catch (failure) {
    console.error(`upgrade: ${failure instanceof Error ? failure.message : String(failure)}\n${usage}`)
    process.exit(exitCode.usage)
  }
}

if (readHelp()) console.log(usage)
else await run()
