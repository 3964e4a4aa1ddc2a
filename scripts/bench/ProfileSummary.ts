import { readFileSync } from "node:fs"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

interface CallFrame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

/** The parts of a .cpuprofile file that are read. */
interface Profile {
  readonly nodes: ReadonlyArray<{ readonly id: number; readonly callFrame: CallFrame }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const functionsShown = 25
const partsShown = 12
const nowhere: ReadonlySet<string> = new Set(["(idle)", "(root)"])

const fileOf = ({ url }: CallFrame): string =>
  url.replace(/^.*\/node_modules\//, "").replace(`file://${projectRoot}`, "")

const functionOf = (frame: CallFrame): string => {
  const position = frame.url === "" ? "" : `  ${fileOf(frame)}:${frame.lineNumber + 1}`
  return (frame.functionName === "" ? "(anonymous)" : frame.functionName) + position
}

/** Returns the part of the code that a frame of a profile is in: a file of the project, a package, or node. */
const partOf = (frame: CallFrame): string => {
  if (frame.url === "") return frame.functionName === "(garbage collector)" ? frame.functionName : "native code"
  const file = fileOf(frame)
  if (/^(src|scripts|test)\//.test(file)) return file
  return file.startsWith("node:") ? "node" : (/^(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? file)
}

const largest = (times: ReadonlyMap<string, number>, count: number, all: number): Array<string> =>
  Array.from(times)
    .sort(([, one], [, other]) => other - one)
    .slice(0, count)
    .map(([name, time]) => {
      const milliseconds = (time / 1_000).toFixed(0).padStart(7)
      return `${((100 * time) / all).toFixed(1).padStart(5)} % ${milliseconds} ms  ${name}`
    })

/**
 * Returns a table of the functions, and of the parts of the code, with their shares of the busy time of a process. The
 * share of a function does not include the time in the functions that it calls.
 */
export const profileSummary = (file: string): string => {
  const profile: Profile = JSON.parse(readFileSync(file, "utf8"))
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const functions = new Map<string, number>()
  const parts = new Map<string, number>()
  let busy = 0
  const add = (times: Map<string, number>, name: string, time: number) => times.set(name, (times.get(name) ?? 0) + time)
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    // A delta in a profile is the time since the sample before, so the time of a sample is the delta of the next
    // sample.
    const time = profile.timeDeltas[index + 1] ?? 0
    if (frame === undefined || nowhere.has(frame.functionName)) continue
    busy += time
    add(functions, functionOf(frame), time)
    add(parts, partOf(frame), time)
  }
  return [
    `${file.replace(projectRoot, "")}: busy for ${(busy / 1e6).toFixed(2)} s`,
    ...largest(functions, functionsShown, busy),
    "  by part",
    ...largest(parts, partsShown, busy)
  ].join("\n")
}
