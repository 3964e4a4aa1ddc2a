import type { TaskMeta } from "vitest"
import type { Reporter, TestModule } from "vitest/node"

/** Returns a line for each missing tool: the number of tests that were skipped, and how to install the tool. */
export const skippedLines = (metas: Iterable<TaskMeta>): ReadonlyArray<string> => {
  const counts = new Map<string, { readonly tests: string; readonly because: string; count: number }>()
  for (const { skippedFor } of metas) {
    if (skippedFor === undefined) continue
    const key = JSON.stringify(skippedFor)
    const found = counts.get(key)
    if (found === undefined) counts.set(key, { ...skippedFor, count: 1 })
    else found.count += 1
  }
  return Array.from(counts.values(), ({ tests, because, count }) =>
    count === 1 ? `1 test ${tests} was skipped: ${because}` : `${count} tests ${tests} were skipped: ${because}`
  )
}

/** Prints at the end of a run the tests that were skipped because the machine lacks something; see Requirement.ts. */
export class SkippedTests implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")])
    for (const line of skippedLines(skipped.map((test) => test.meta()))) console.log(line)
  }
}
