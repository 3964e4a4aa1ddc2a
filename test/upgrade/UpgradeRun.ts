import { execFile } from "node:child_process"
import { join } from "node:path"
import { Cause, Effect, Exit, References } from "effect"
import { type ReplayLimits, usualLimits } from "../../scripts/upgrade/Replay.ts"
import { type Replacements, upgrade, type UpgradeSettings } from "../../scripts/upgrade/Upgrade.ts"
import type { UpgradeFailure } from "../../scripts/upgrade/UpgradeFailure.ts"
import { compileCache, projectRoot } from "../../src/harness/system/TestBroker.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { testSettings } from "../../src/harness/system/TestLedger.ts"

/** The exit of a process of the upgrade, without a code after a signal. */
export interface UpgradeEnded {
  readonly code: number | undefined
  readonly signal: string | undefined
  readonly output: string
  readonly errors: string
}

/**
 * Runs the upgrade in a separate process, as npm would. The program may be one that runs the upgrade with a planted
 * mistake.
 */
export const runUpgrade = (
  environment: Readonly<Record<string, string>>,
  program = "scripts/upgrade/main.ts",
  given: ReadonlyArray<string> = []
): Promise<UpgradeEnded> =>
  new Promise((resolve) => {
    const env = {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: compileCache,
      NATS_NKEY_FILE: testKeyFile,
      ...environment
    }
    const node = join(projectRoot, "node_modules/.bin/node")
    execFile(node, [program, ...given], { cwd: projectRoot, env }, (failure, output, errors) => {
      const code = failure === null ? 0 : failure.code
      resolve({
        code: typeof code === "number" ? code : undefined,
        signal: failure?.signal ?? undefined,
        output,
        errors
      })
    })
  })

/**
 * The settings of an upgrade on a test's broker. A sign of life counts only for a moment in these tests, so that runs
 * can follow one another.
 */
export const upgradeSettings = (url: string): UpgradeSettings =>
  testSettings({ NATS_URL: url, WORKER_LEASE: "1 millis" })

/** Runs the upgrade in this process. Returns the output of the upgrade, and why it failed. */
export const upgradeHere = async (
  url: string,
  replace: Replacements = {},
  limits: ReplayLimits = usualLimits
): Promise<{ readonly lines: ReadonlyArray<string>; readonly failure: UpgradeFailure | Error | undefined }> => {
  const lines: Array<string> = []
  const report = { say: (line: string) => void lines.push(line), progress: () => undefined }
  const running = upgrade({ settings: upgradeSettings(url), limits, report, replace })
  const exit = await Effect.runPromiseExit(running.pipe(Effect.provideService(References.MinimumLogLevel, "Error")))
  const failure = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
  return { lines, failure: failure === undefined || failure instanceof Error ? failure : new Error(String(failure)) }
}
