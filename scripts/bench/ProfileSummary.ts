import { readFileSync } from "node:fs"
import { projectRoot } from "../../test/support/TestBroker.ts"

interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const functionsShown = 25
const nowhere: ReadonlySet<string> = new Set(["(idle)", "(root)"])

const placeOf = ({ url, lineNumber }: Profile["nodes"][number]["callFrame"]): string =>
  url === "" ? "" : `${url.replace(`file://${projectRoot}`, "").replace("node_modules/", "")}:${lineNumber + 1}`

/** The functions of a profile that took the most time themselves, as a share of the time the process was busy. */
export const profileSummary = (file: string): string => {
  const profile: Profile = JSON.parse(readFileSync(file, "utf8"))
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const selfTimes = new Map<string, number>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    // A delta is the time before its sample.
    const time = profile.timeDeltas[index + 1] ?? 0
    if (frame === undefined || nowhere.has(frame.functionName)) continue
    busy += time
    const key = `${frame.functionName === "" ? "(anonymous)" : frame.functionName}  ${placeOf(frame)}`
    selfTimes.set(key, (selfTimes.get(key) ?? 0) + time)
  }
  const top = Array.from(selfTimes)
    .sort(([, one], [, other]) => other - one)
    .slice(0, functionsShown)
  const lines = top.map(([key, time]) => {
    const milliseconds = (time / 1_000).toFixed(0).padStart(7)
    return `${((100 * time) / busy).toFixed(1).padStart(5)} % ${milliseconds} ms  ${key}`
  })
  return [`${file.replace(projectRoot, "")}: busy ${(busy / 1e6).toFixed(2)} s`, ...lines].join("\n")
}
