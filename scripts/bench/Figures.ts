import type { Measurement } from "./Case.ts"
import type { Spent } from "./ProcessorTime.ts"

/** A figure of the benchmark, with its value in each run. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
  /** The median processor time of each process; empty if the figure has no processor times. */
  readonly cpuMicrosecondsPerPurchase: Spent
}

export const medianOf = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

const spentOf = (spent: ReadonlyArray<Spent>): Spent => {
  const byProcess = Map.groupBy(spent.flatMap(Object.entries<number>), ([process]) => process)
  return Object.fromEntries(
    Array.from(byProcess, ([process, entries]) => [process, medianOf(entries.map(([, time]) => time))])
  )
}

const figureOf = (name: string, measurements: ReadonlyArray<Measurement>): Figure => {
  const values = measurements.map(({ value }) => value)
  return {
    name,
    unit: measurements[0]?.unit ?? "",
    median: medianOf(values),
    min: Math.min(...values),
    max: Math.max(...values),
    runs: values.length,
    cpuMicrosecondsPerPurchase: spentOf(measurements.flatMap(({ spent }) => (spent === undefined ? [] : [spent])))
  }
}

export const figuresOf = (measurements: ReadonlyArray<Measurement>): Array<Figure> =>
  Array.from(
    Map.groupBy(measurements, ({ name }) => name),
    ([name, group]) => figureOf(name, group)
  )

const rounded = (value: number): string =>
  value.toLocaleString("en", value >= 1_000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

const spentText = (spent: Spent): string =>
  Object.entries(spent)
    .map(([process, time]) => `${process} ${rounded(time)}`)
    .join(" + ")

/** Returns a table of the figures, as lines of text. */
export const tableOf = (figures: ReadonlyArray<Figure>): string => {
  const head = ["", "unit", "median", "min", "max", "runs", "µs of CPU a purchase or request"]
  const rows = figures.map((figure) => [
    figure.name,
    figure.unit,
    ...[figure.median, figure.min, figure.max].map(rounded),
    String(figure.runs),
    spentText(figure.cpuMicrosecondsPerPurchase)
  ])
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const isNumber = (column: number) => column >= 2 && column <= 5
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd()
  return [head, ...rows].map(line).join("\n")
}
