import type { Measurement } from "./Case.ts"
import type { Spent } from "./ProcessorTime.ts"

/** A figure over all runs. */
export interface Figure {
  readonly name: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
  /** The median of each; null where a figure is not about what a purchase costs. */
  readonly cpuMicrosecondsPerPurchase: Spent | null
}

const medianOf = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

const figureOf = (name: string, measurements: ReadonlyArray<Measurement>): Figure => {
  const values = measurements.map(({ value }) => value)
  const spent = measurements.flatMap((measurement) => measurement.spent ?? [])
  return {
    name,
    unit: measurements[0]?.unit ?? "",
    median: medianOf(values),
    min: Math.min(...values),
    max: Math.max(...values),
    runs: values.length,
    cpuMicrosecondsPerPurchase:
      spent.length === 0
        ? null
        : {
            edge: medianOf(spent.map(({ edge }) => edge)),
            worker: medianOf(spent.map(({ worker }) => worker)),
            broker: medianOf(spent.map(({ broker }) => broker))
          }
  }
}

export const figuresOf = (measurements: ReadonlyArray<Measurement>): Array<Figure> =>
  Array.from(
    Map.groupBy(measurements, ({ name }) => name),
    ([name, group]) => figureOf(name, group)
  )

const rounded = (value: number): string =>
  value.toLocaleString("en", value >= 1_000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

const spentText = (spent: Spent | null): string =>
  spent === null ? "" : [spent.edge, spent.worker, spent.broker].map(rounded).join(" + ")

/** The figures as lines of a table. */
export const tableOf = (figures: ReadonlyArray<Figure>): string => {
  const head = ["", "unit", "median", "min", "max", "runs", "µs of CPU a purchase: edge + worker + broker"]
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
