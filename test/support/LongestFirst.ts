import { relative } from "node:path"
import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The files of tests that take longest, the longest first. */
export const longestFiles: ReadonlyArray<string> = [
  "test/harness/faults/FaultRun.test.ts",
  "test/readme/Readme.test.ts",
  "test/soak/Soak.test.ts",
  "test/harness/faults/PlantedMistakes.test.ts",
  "test/simulation/Simulation.test.ts",
  "test/faults/CrashPoints.test.ts"
]

/**
 * Sorts files of tests so that the longest files run first. A long file that begins last would keep one processor busy
 * while the other processors have no file left.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longestFiles.indexOf(relative(this.ctx.config.root, moduleId))
      return at < 0 ? longestFiles.length : at
    }
    return sorted.toSorted((one, other) => rank(one) - rank(other))
  }
}
