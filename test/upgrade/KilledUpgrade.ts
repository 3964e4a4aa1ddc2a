import { Effect } from "effect"
import { usualLimits } from "../../scripts/upgrade/Replay.ts"
import { upgrade } from "../../scripts/upgrade/Upgrade.ts"
import { upgradeSettings } from "./UpgradeRun.ts"

// An upgrade that kills itself, at the commit with a number or at an output line with a prefix.
const [at = "", count = "1"] = process.argv.slice(2)
let left = Number(count)

const reached = (): void => {
  left -= 1
  if (left === 0) process.kill(process.pid, "SIGKILL")
}

const running = upgrade({
  settings: upgradeSettings(process.env["NATS_URL"] ?? ""),
  limits: usualLimits,
  report: { say: (line) => void (line.startsWith(at) && reached()), progress: () => undefined },
  replace: {
    chain: (real) => ({
      ...real,
      append: (...commit) =>
        Effect.tap(real.append(...commit), () => Effect.sync(() => void (at === "commit" && reached())))
    })
  }
})
await Effect.runPromise(running)
