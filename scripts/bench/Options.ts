import { parseArgs } from "node:util"
import { cases } from "./Cases.ts"
import type { Case } from "./Case.ts"

const runsDefault = 5

const usage = `usage: npm run bench -- [options]
  --only NAMES    runs these cases, with commas between them; --list names them
  --all           runs the long cases as well
  --runs N        runs each case N times, ${runsDefault} by default
  --json FILE     writes the figures to a file as well
  --charts DIR    draws the figures into a directory as SVG
  --from FILE     runs nothing, and shows or draws the figures that --json wrote
  --profile       leaves processor profiles of edge and worker in .data/profiles/<case>/, and prints the functions that took longest
  --list          prints the cases
  --help          prints this text`

const list = (): string => {
  const width = Math.max(...cases.map(({ name }) => name.length))
  return cases.map(({ name, about, isLong }) => `${name.padEnd(width)}  ${about}${isLong ? " (long)" : ""}`).join("\n")
}

const refuse = (message: string): never => {
  process.stderr.write(`${message}\n${usage}\n`)
  process.exit(2)
}

const show = (text: string): never => {
  process.stdout.write(`${text}\n`)
  process.exit(0)
}

const chosen = (only: string | undefined, isAll: boolean): ReadonlyArray<Case> => {
  if (only === undefined) return cases.filter(({ isLong }) => isAll || !isLong)
  const names = new Set(only.split(","))
  for (const name of names) {
    if (cases.every((one) => one.name !== name)) refuse(`There is no case ${name}. These are:\n${list()}\n`)
  }
  return cases.filter(({ name }) => names.has(name))
}

export interface Options {
  readonly cases: ReadonlyArray<Case>
  readonly runs: number
  readonly isProfiling: boolean
  /** The paths of output files and of a directory; `undefined` for output that is not wanted. */
  readonly json: string | undefined
  readonly charts: string | undefined
  readonly from: string | undefined
}

const parse = () => {
  try {
    return parseArgs({
      options: {
        only: { type: "string" },
        all: { type: "boolean", default: false },
        runs: { type: "string", default: String(runsDefault) },
        json: { type: "string" },
        charts: { type: "string" },
        from: { type: "string" },
        profile: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : String(cause))
  }
}

/** Returns the options of the command line. If the options are wrong, prints the usage and ends the process. */
export const readOptions = (): Options => {
  const { only, all, runs, json, charts, from, profile, list: isList, help } = parse()
  if (help) show(usage)
  if (isList) show(list())
  if (!/^[1-9][0-9]{0,3}$/.test(runs)) refuse(`--runs takes a whole number from 1, and was given ${runs}.`)
  return { cases: chosen(only, all), runs: Number(runs), isProfiling: profile, json, charts, from }
}
