import { atLeast, atMost, equal, type RuleColumns, symbolNames } from "./MatcherData.ts"

/** The number of rules that the copying loops may read behind the last rule. */
export const readAhead = 8
/** The most thresholds of a symbol that gets a fine grid. Nearly all cells of a fine grid have no threshold. */
const fewThresholds = 128
const cellsOfFew = 1_024
/** The most thresholds in one cell that the search compares one by one. */
const lookedAtMax = 8

const groups = 3
/**
 * Returns the number of a group of rules. The groups of a symbol are the at-most rules, then the at-least rules, then
 * the equal rules. The rules of a group are sorted by rising threshold.
 */
const groupOf = (symbol: number, comparison: number): number =>
  groups * symbol + (comparison === atMost ? 0 : comparison === atLeast ? 1 : 2)

/** The part of the grid of the index that belongs to one symbol. */
interface Grid {
  readonly origin: number
  readonly cellsPerUnit: number
  readonly cells: number
  readonly firstCell: number
}

const cellOf = (price: number, origin: number, cellsPerUnit: number, cells: number): number => {
  const cell = (price - origin) * cellsPerUnit
  return cell >= cells ? cells : cell > 0 ? cell | 0 : 0
}

/** Sorts the thresholds of each group of rules, and returns them with the index at which each group begins. */
const sortedThresholds = ({ size, symbols, comparisons, thresholds }: RuleColumns) => {
  const begins = new Uint32Array(groups * symbolNames.length + 1)
  const count = (rule: number) => groupOf(symbols[rule] as number, comparisons[rule] as number)
  for (let rule = 0; rule < size; rule += 1) begins[count(rule) + 1] = (begins[count(rule) + 1] as number) + 1
  for (let group = 1; group < begins.length; group += 1) {
    begins[group] = (begins[group] as number) + (begins[group - 1] as number)
  }
  const next = begins.slice()
  const keys = new Float64Array(size)
  for (let rule = 0; rule < size; rule += 1) {
    const at = next[count(rule)] as number
    keys[at] = thresholds[rule] as number
    next[count(rule)] = at + 1
  }
  for (let group = 0; group + 1 < begins.length; group += 1) keys.subarray(begins[group], begins[group + 1]).sort()
  return { keys, begins }
}

/**
 * An index of rules that do not change, for many events at once. The thresholds of a symbol cut the prices into
 * intervals. The rules that a price meets are one slice of the ordered rules, and a second slice of the equal rules. A
 * grid finds the interval of a price. Only the benchmark uses `IntervalIndex`. The rules of the service change, so the
 * service uses `RuleIndex`.
 */
export class IntervalIndex {
  /** The numbers of the rules, in the order of the index. */
  readonly ruleIds: Uint32Array
  /** The thresholds of all symbols: for each symbol the distinct thresholds in rising order, and then infinity. */
  readonly bounds: Float64Array
  /**
   * Three slices of the rules for each threshold. The first slice of a threshold has the rules for prices between the
   * threshold before and this threshold. The second slice of a threshold has the rules for a price equal to the
   * threshold. The third slice of a threshold has its equal rules.
   */
  readonly openAt: Uint32Array
  readonly openCount: Uint32Array
  readonly exactAt: Uint32Array
  readonly exactCount: Uint32Array
  readonly equalAt: Uint32Array
  readonly equalCount: Uint32Array
  /**
   * Four numbers of the grid for each symbol: the origin, the cells for each unit of price, the number of cells, and
   * the first cell.
   */
  readonly grid = new Float64Array(4 * symbolNames.length)
  /**
   * For each cell of the grid, the first threshold and the slice of rules. A cell that has thresholds has -1 instead of
   * the length of its slice.
   */
  readonly cellBound: Uint32Array
  readonly cellAt: Uint32Array
  readonly cellCount: Int32Array
  private boundsUsed = 0

  constructor(rules: RuleColumns) {
    const room = rules.size + symbolNames.length
    this.bounds = new Float64Array(room)
    this.openAt = new Uint32Array(room)
    this.openCount = new Uint32Array(room)
    this.exactAt = new Uint32Array(room)
    this.exactCount = new Uint32Array(room)
    this.equalAt = new Uint32Array(room)
    this.equalCount = new Uint32Array(room)
    this.ruleIds = new Uint32Array(rules.size + readAhead)
    const { keys, begins } = sortedThresholds(rules)
    const grids: Array<{ readonly grid: Grid; readonly from: number; readonly to: number }> = []
    let cells = 0
    for (let symbol = 0; symbol < symbolNames.length; symbol += 1) {
      const from = this.boundsUsed
      this.cut(keys, begins.subarray(groups * symbol, groups * symbol + groups + 1))
      const grid = this.gridOf(from, this.boundsUsed - 1, cells)
      this.grid.set([grid.origin, grid.cellsPerUnit, grid.cells, grid.firstCell], 4 * symbol)
      cells += grid.cells + 2
      grids.push({ grid, from, to: this.boundsUsed - 1 })
    }
    this.cellBound = new Uint32Array(cells)
    this.cellAt = new Uint32Array(cells)
    this.cellCount = new Int32Array(cells)
    for (const { grid, from, to } of grids) this.fillCells(grid, from, to)
    this.orderRules(rules)
  }

  /** Returns the index of a symbol's first threshold that is not below a price. */
  find(symbol: number, price: number): number {
    const { grid, bounds, cellBound } = this
    const at = 4 * symbol
    const cell = cellOf(price, grid[at] as number, grid[at + 1] as number, grid[at + 2] as number)
    return this.search(bounds, cellBound, (grid[at + 3] as number) + cell, price)
  }

  private search(bounds: Float64Array, cellBound: Uint32Array, cell: number, price: number): number {
    let low = cellBound[cell] as number
    let high = cellBound[cell + 1] as number
    while (high - low > lookedAtMax) {
      const middle = (low + high) >>> 1
      if ((bounds[middle] as number) < price) low = middle + 1
      else high = middle
    }
    while ((bounds[low] as number) < price) low += 1
    return low
  }

  /** Merges the thresholds of a symbol's three groups of rules into bounds, with the slices of each bound. */
  private cut(keys: Float64Array, [begin = 0, atLeastBegin = 0, equalBegin = 0, end = 0]: Uint32Array): void {
    let most = begin
    let least = atLeastBegin
    let same = equalBegin
    for (;;) {
      const bound = Math.min(
        most < atLeastBegin ? (keys[most] as number) : Number.POSITIVE_INFINITY,
        least < equalBegin ? (keys[least] as number) : Number.POSITIVE_INFINITY,
        same < end ? (keys[same] as number) : Number.POSITIVE_INFINITY
      )
      const at = this.boundsUsed
      this.boundsUsed += 1
      this.bounds[at] = bound
      this.openAt[at] = most
      this.openCount[at] = least - most
      this.exactAt[at] = most
      this.equalAt[at] = same
      if (bound === Number.POSITIVE_INFINITY) return
      while (least < equalBegin && keys[least] === bound) least += 1
      while (same < end && keys[same] === bound) same += 1
      this.exactCount[at] = least - most
      this.equalCount[at] = same - (this.equalAt[at] as number)
      while (most < atLeastBegin && keys[most] === bound) most += 1
    }
  }

  private gridOf(from: number, to: number, firstCell: number): Grid {
    const count = to - from
    if (count === 0) return { origin: 0, cellsPerUnit: 0, cells: 1, firstCell }
    const cells = count <= fewThresholds ? cellsOfFew : 2 ** (Math.ceil(Math.log2(count)) + 1)
    const first = this.bounds[from] as number
    const width = (this.bounds[to - 1] as number) - first
    // The grid of a symbol is wider than the range of its thresholds, so that few prices are outside of the grid.
    return { origin: first - width / 8, cellsPerUnit: width === 0 ? 0 : cells / (width * 1.25), cells, firstCell }
  }

  private fillCells({ origin, cellsPerUnit, cells, firstCell }: Grid, from: number, to: number): void {
    let bound = from
    for (let cell = 0; cell <= cells + 1; cell += 1) {
      while (bound < to && cellOf(this.bounds[bound] as number, origin, cellsPerUnit, cells) < cell) bound += 1
      this.cellBound[firstCell + cell] = bound
    }
    for (let cell = firstCell; cell <= firstCell + cells; cell += 1) {
      const bound = this.cellBound[cell] as number
      const isFree = bound === this.cellBound[cell + 1]
      this.cellAt[cell] = this.openAt[bound] as number
      this.cellCount[cell] = isFree ? (this.openCount[bound] as number) : -1
    }
  }

  /**
   * Puts the rules into the order of the index, by their thresholds. Rules with equal thresholds stay in the order in
   * which they were given.
   */
  private orderRules({ size, symbols, comparisons, thresholds }: RuleColumns): void {
    const taken = new Uint32Array(size)
    for (let rule = 0; rule < size; rule += 1) {
      const bound = this.find(symbols[rule] as number, thresholds[rule] as number)
      const first = this.firstOf(bound, comparisons[rule] as number)
      const already = taken[first] as number
      this.ruleIds[first + already] = rule
      taken[first] = already + 1
    }
  }

  /** Returns the index of the first rule with a threshold, among the rules with one comparison. */
  private firstOf(bound: number, comparison: number): number {
    if (comparison === equal) return this.equalAt[bound] as number
    if (comparison === atMost) return this.exactAt[bound] as number
    return (this.openAt[bound] as number) + (this.openCount[bound] as number)
  }
}
