import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs"
import { Schema } from "effect"
import { codeOf, UnusableFile } from "./UnusableFile.ts"

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const RunState = Schema.Struct({
  v: Schema.Literal(1),
  /** The command that does the work, with all values that decide the ids and the contents of its purchases. */
  work: Schema.Record(Schema.String, Schema.String),
  /** The number of purchases from the first on that are stored or refused. */
  settled: count,
  stored: count,
  refused: count,
  /** The bytes of the file of refused records. */
  refusedBytes: count,
  isDone: Schema.Boolean
})

/** The state of a command that stores many purchases: how far the command is. */
export type RunState = typeof RunState.Type

const decodeState = Schema.decodeUnknownSync(Schema.fromJsonString(RunState))

/** Returns the state of a command that has not begun. */
export const newRunState = (work: RunState["work"]): RunState => ({
  v: 1,
  work,
  settled: 0,
  stored: 0,
  refused: 0,
  refusedBytes: 0,
  isDone: false
})

/** The file in which a command keeps how far it is, so that the same command goes on from that point. */
export class StateFile {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /**
   * Returns the kept state; `undefined` if the file does not exist yet. Throws an UnusableFile if the file has no
   * state.
   */
  read(): RunState | undefined {
    try {
      return decodeState(readFileSync(this.path, "utf8"))
    } catch (failure) {
      if (codeOf(failure) === "ENOENT") return undefined
      const reason =
        codeOf(failure) === undefined ? "it does not have the state of a command" : (failure as Error).message
      throw new UnusableFile(`${this.path} of --state cannot be used: ${reason}. Name another file.`)
    }
  }

  /**
   * Returns the kept state of some work, or the state of work that has not begun. Throws an UnusableFile if the file
   * has the state of other work.
   */
  of(work: RunState["work"]): RunState {
    const state = this.read()
    if (state === undefined) return newRunState(work)
    const names = new Set([...Object.keys(state.work), ...Object.keys(work)])
    const other = [...names].find((name) => state.work[name] !== work[name])
    if (other === undefined) return state
    throw new UnusableFile(
      `${this.path} of --state is of another command: its ${other} is "${state.work[other] ?? ""}", and here it is "${work[other] ?? ""}". Name another file.`
    )
  }

  /** Keeps a state. A process that ends while it writes a state leaves the earlier state. */
  write(state: RunState): void {
    const part = `${this.path}.part`
    try {
      const file = openSync(part, "w", 0o600)
      writeSync(file, `${JSON.stringify(state)}\n`)
      fsyncSync(file)
      closeSync(file)
      renameSync(part, this.path)
    } catch (failure) {
      throw new UnusableFile(`${this.path} of --state cannot be written: ${(failure as Error).message}.`)
    }
  }
}
