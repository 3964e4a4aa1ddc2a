import { join } from "node:path"
import type { Requirement } from "../../src/harness/system/Requirement.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { cacheDirectory } from "./Cache.ts"
import { isInstalled } from "./Tool.ts"

/** The program that checks rules of Prometheus, and the requirement of tests that run it. */
export interface Promtool extends Requirement {
  readonly program: string
}

/** Returns promtool of the machine, or of the cache, into which scripts/promtool.sh builds it. */
export const findPromtool = (): Promtool => {
  const cached = join(cacheDirectory(), "promtool-v0.316.0", "promtool")
  const program = ["promtool", cached].find(isInstalled)
  return {
    program: program ?? cached,
    tests: "with promtool",
    missing: program === undefined ? "no promtool" : undefined,
    remedy: `Run ${join(projectRoot, "scripts/promtool.sh")}, which builds it with Go in some minutes.`
  }
}
