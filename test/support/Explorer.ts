/** One step of a system: the shared state after it, and the state of the worker that took it. */
export interface Step<Shared, Worker> {
  readonly name: string
  readonly shared: Shared
  readonly worker: Worker
  /** Whether the step makes every other worker lose its ownership. */
  readonly disowns?: boolean
  /** Whether the step cannot be relied on. A way to a finished state must do without such a step. */
  readonly fault?: boolean
  /** The invariant that the step itself breaks. */
  readonly breaks?: string | undefined
}

/**
 * Two workers of the same kind that share one state. All states are plain data with their fields in a fixed order, so
 * that equal states have equal JSON.
 */
export interface System<Shared, Worker> {
  readonly initial: Shared
  readonly idle: Worker
  /** The word for a worker in histories; `worker` without this name. */
  readonly workerName?: string
  /** The steps that no worker takes. The `disowns` of such a step concerns both workers. */
  readonly environment: (shared: Shared) => ReadonlyArray<Omit<Step<Shared, Worker>, "worker">>
  readonly steps: (shared: Shared, worker: Worker) => ReadonlyArray<Step<Shared, Worker>>
  readonly disowned: (worker: Worker) => Worker
  /** Returns the invariants that the shared state breaks. */
  readonly broken: (shared: Shared) => ReadonlyArray<string>
  readonly isFinished: (shared: Shared) => boolean
  /** The invariant that is broken by a state from which no finished state can be reached. */
  readonly liveness: string
}

export interface ExploreOptions {
  /** The invariants at which to stop. Without `invariants`, every invariant stops the search. */
  readonly invariants?: ReadonlyArray<string>
  /** The most states. With more states the search throws an Error, because the system has to be bounded. */
  readonly statesMax: number
}

export interface Violation {
  readonly invariant: string
  /**
   * The names of the steps to the state, or to the first state from which no finished state can be reached. No other
   * history to that state is shorter.
   */
  readonly history: ReadonlyArray<string>
}

export interface Exploration {
  readonly states: number
  readonly transitions: number
  /** The number of steps to the farthest state. */
  readonly depth: number
  readonly violation?: Violation
}

/** Gives numbers to values. Equal data get the same number. */
class Numbered<Value> {
  private readonly byText = new Map<string, number>()
  // Most steps leave the shared state or the worker's state unchanged.
  private readonly byIdentity = new Map<Value, number>()
  private readonly values: Array<Value> = []

  numberOf(value: Value): number {
    const known = this.byIdentity.get(value)
    if (known !== undefined) return known
    const text = JSON.stringify(value)
    let number = this.byText.get(text)
    if (number === undefined) {
      number = this.values.length
      this.byText.set(text, number)
      this.byIdentity.set(value, number)
      this.values.push(value)
    }
    return number
  }

  at(number: number): Value {
    return this.values[number] as Value
  }
}

/** The states in the order in which they were found: three numbers and a parent each, behind an open hash table. */
class StateTable {
  size = 0
  private fields = new Int32Array(4 << 16)
  private slots = new Int32Array(1 << 17)

  shared = (index: number) => this.fields[4 * index] as number
  first = (index: number) => this.fields[4 * index + 1] as number
  second = (index: number) => this.fields[4 * index + 2] as number
  parent = (index: number) => this.fields[4 * index + 3] as number

  private slotOf(shared: number, first: number, second: number): number {
    let hash = Math.imul(shared, 0x9e3779b1) ^ Math.imul(first, 0x85ebca6b) ^ Math.imul(second + 1, 0xc2b2ae35)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    const mask = this.slots.length - 1
    for (let slot = (hash ^ (hash >>> 13)) & mask; ; slot = (slot + 1) & mask) {
      const index = (this.slots[slot] as number) - 1
      if (index < 0) return slot
      const at = 4 * index
      if (this.fields[at] === shared && this.fields[at + 1] === first && this.fields[at + 2] === second) return slot
    }
  }

  /** Returns the index of a state, or -1. The two workers of a state are alike, so their order does not matter. */
  find(shared: number, one: number, other: number): number {
    const slot = one <= other ? this.slotOf(shared, one, other) : this.slotOf(shared, other, one)
    return (this.slots[slot] as number) - 1
  }

  /** Adds a state. Returns whether the state was new. */
  add(shared: number, one: number, other: number, parent: number): boolean {
    if (4 * this.size === this.fields.length) this.grow()
    const first = Math.min(one, other)
    const second = Math.max(one, other)
    const slot = this.slotOf(shared, first, second)
    if (this.slots[slot] !== 0) return false
    this.fields.set([shared, first, second, parent], 4 * this.size)
    this.size += 1
    this.slots[slot] = this.size
    return true
  }

  private grow() {
    const fields = new Int32Array(2 * this.fields.length)
    fields.set(this.fields)
    this.fields = fields
    this.slots = new Int32Array(2 * this.slots.length)
    for (let index = 0; index < this.size; index += 1) {
      this.slots[this.slotOf(this.shared(index), this.first(index), this.second(index))] = index + 1
    }
  }
}

/** A step between numbered parts. */
interface Move {
  readonly name: string
  readonly shared: number
  readonly worker: number
  readonly disowns: boolean
  readonly fault: boolean
  readonly breaks: string | undefined
}

type Visit = (shared: number, one: number, other: number, move: Move, worker: 0 | 1 | undefined) => void

/**
 * The steps of a system. The steps of a worker depend on its own state and the shared state, never on the other worker.
 * For this reason the steps are computed once for each pair of a worker state and a shared state.
 */
class Moves<Shared, Worker> {
  private readonly shareds = new Numbered<Shared>()
  private readonly workers = new Numbered<Worker>()
  private readonly ofEnvironment: Array<ReadonlyArray<Move>> = []
  private readonly ofWorker = new Map<number, ReadonlyArray<Move>>()
  private readonly disowned: Array<number> = []
  private readonly brokenIn: Array<ReadonlyArray<string>> = []
  private readonly finishedIn: Array<boolean> = []
  readonly initial: number
  readonly idle: number
  private readonly system: System<Shared, Worker>

  constructor(system: System<Shared, Worker>) {
    this.system = system
    this.initial = this.shareds.numberOf(system.initial)
    this.idle = this.workers.numberOf(system.idle)
  }

  private environment(shared: number): ReadonlyArray<Move> {
    return (this.ofEnvironment[shared] ??= this.system
      .environment(this.shareds.at(shared))
      .map((step) => this.moveOf(step, -1)))
  }

  private worker(shared: number, worker: number): ReadonlyArray<Move> {
    const pair = shared * 2 ** 26 + worker
    let moves = this.ofWorker.get(pair)
    if (moves === undefined) {
      moves = this.system
        .steps(this.shareds.at(shared), this.workers.at(worker))
        .map((step) => this.moveOf(step, this.workers.numberOf(step.worker)))
      this.ofWorker.set(pair, moves)
    }
    return moves
  }

  private moveOf(step: Omit<Step<Shared, Worker>, "worker">, worker: number): Move {
    return {
      name: step.name,
      shared: this.shareds.numberOf(step.shared),
      worker,
      disowns: step.disowns === true,
      fault: step.fault === true,
      breaks: step.breaks
    }
  }

  private afterLoss(worker: number): number {
    return (this.disowned[worker] ??= this.workers.numberOf(this.system.disowned(this.workers.at(worker))))
  }

  broken(shared: number): ReadonlyArray<string> {
    return (this.brokenIn[shared] ??= this.system.broken(this.shareds.at(shared)))
  }

  isFinished(shared: number): boolean {
    return (this.finishedIn[shared] ??= this.system.isFinished(this.shareds.at(shared)))
  }

  from(shared: number, one: number, other: number, visit: Visit): void {
    for (const move of this.environment(shared)) {
      if (move.disowns) visit(move.shared, this.afterLoss(one), this.afterLoss(other), move, undefined)
      else visit(move.shared, one, other, move, undefined)
    }
    for (const move of this.worker(shared, one)) {
      visit(move.shared, move.worker, move.disowns ? this.afterLoss(other) : other, move, 0)
    }
    for (const move of this.worker(shared, other)) {
      visit(move.shared, move.disowns ? this.afterLoss(one) : one, move.worker, move, 1)
    }
  }
}

const isAmong = (invariants: ReadonlyArray<string> | undefined, name: string) =>
  invariants === undefined || invariants.includes(name)

/**
 * Finds every state that can be reached, nearest first. After the search, finds the states from which no finished state
 * can be reached.
 */
export const explore = <Shared, Worker>(system: System<Shared, Worker>, options: ExploreOptions): Exploration => {
  const moves = new Moves(system)
  const table = new StateTable()
  let transitions = 0
  let depth = 0

  const namedMove = ({ name }: Move, worker: 0 | 1 | undefined): string =>
    worker === undefined ? name : `${system.workerName ?? "worker"} ${worker + 1} ${name}`

  /**
   * Returns the steps to a state. The table does not keep the order of workers, so the steps are taken again with their
   * names.
   */
  const historyOf = (index: number) => {
    const path: Array<number> = []
    for (let at = index; at > 0; at = table.parent(at)) path.push(at)
    let state: readonly [number, number, number] = [moves.initial, moves.idle, moves.idle]
    const history: Array<string> = []
    for (const target of path.toReversed()) {
      let next: { readonly name: string; readonly state: typeof state } | undefined
      moves.from(...state, (shared, one, other, move, worker) => {
        if (table.find(shared, one, other) === target) {
          next ??= { name: namedMove(move, worker), state: [shared, one, other] }
        }
      })
      if (next === undefined) throw new Error("a state was not reached from its parent")
      history.push(next.name)
      state = next.state
    }
    return { history, state }
  }

  const search = (): Violation | undefined => {
    const found: Array<{ readonly invariant: string; readonly from: number }> = []
    let levelEnd = 1
    table.add(moves.initial, moves.idle, moves.idle, 0)
    for (let index = 0; index < table.size && found.length === 0; index += 1) {
      if (index === levelEnd) {
        depth += 1
        levelEnd = table.size
      }
      moves.from(table.shared(index), table.first(index), table.second(index), (shared, one, other, move) => {
        transitions += 1
        const broken = move.breaks === undefined ? moves.broken(shared) : [move.breaks, ...moves.broken(shared)]
        const invariant = broken.find((name) => isAmong(options.invariants, name))
        if (invariant !== undefined) found.push({ invariant, from: index })
        table.add(shared, one, other, index)
      })
      if (table.size > options.statesMax) throw new Error(`more than ${options.statesMax} states`)
    }
    const [first] = found
    if (first === undefined) return undefined
    const { history, state } = historyOf(first.from)
    const breaking: Array<string> = []
    moves.from(...state, (shared, _one, _other, move, worker) => {
      if (move.breaks === first.invariant || moves.broken(shared).includes(first.invariant)) {
        breaking.push(namedMove(move, worker))
      }
    })
    return { invariant: first.invariant, history: [...history, ...breaking.slice(0, 1)] }
  }

  /** Goes backwards from the finished states until the search finds no new state. */
  const findStuck = (): Violation | undefined => {
    const canFinish = new Uint8Array(table.size)
    let added = true
    while (added) {
      added = false
      for (let index = table.size - 1; index >= 0; index -= 1) {
        if (canFinish[index] === 1) continue
        const shared = table.shared(index)
        let can = moves.isFinished(shared)
        if (!can) {
          moves.from(shared, table.first(index), table.second(index), (nextShared, one, other, move) => {
            if (!can && !move.fault) can = canFinish[table.find(nextShared, one, other)] === 1
          })
        }
        if (!can) continue
        canFinish[index] = 1
        added = true
      }
    }
    const stuck = canFinish.indexOf(0)
    return stuck < 0 ? undefined : { invariant: system.liveness, history: historyOf(stuck).history }
  }

  const violation = search() ?? (isAmong(options.invariants, system.liveness) ? findStuck() : undefined)
  return { states: table.size, transitions, depth, ...(violation === undefined ? {} : { violation }) }
}
