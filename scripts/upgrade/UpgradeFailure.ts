import { Schema } from "effect"

/** The exit codes, which `docs/upgrading.md` lists. */
export const exitCode = {
  done: 0,
  /** The broker failed, or the new layout differs from the former layout. */
  failed: 1,
  /** The command line or a setting is wrong. */
  usage: 2,
  workerAlive: 3,
  nothingToUpgrade: 4,
  alreadyDone: 5,
  /** The broker has a journal or heads that no upgrade began. */
  foreignJournal: 6
} as const

/** The failure of an upgrade that ends without being done, and leaves the former layout as it was. */
export class UpgradeFailure extends Schema.TaggedError<UpgradeFailure>()("UpgradeFailure", {
  exitCode: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export const refuse = (reason: Exclude<keyof typeof exitCode, "done">, problem: string): UpgradeFailure =>
  new UpgradeFailure({ exitCode: exitCode[reason], problem })
