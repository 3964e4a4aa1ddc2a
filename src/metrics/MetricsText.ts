import { Context, Metric } from "effect"

/** The two text formats that Prometheus reads. */
export type MetricsFormat = "prometheus" | "openmetrics"

/** Each format of metrics with its media type, which names the version that the text follows. */
export const metricsMediaTypes: Readonly<Record<MetricsFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
}

/** The units with which the name of a metric family may end. OpenMetrics has a line for the unit of a family. */
const units = ["seconds", "bytes"]
const countSuffix = "_total"

type Labels = ReadonlyArray<readonly [name: string, value: string]>

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')

/** Writes the help text of a metric family. The format `prometheus` does not escape quotes in help texts. */
const help = (text: string, format: MetricsFormat): string =>
  format === "openmetrics" ? escaped(text) : text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

const numberText = (value: number | bigint): string => {
  if (value === Number.POSITIVE_INFINITY) return "+Inf"
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)
}

/** Writes the bound of a histogram's bucket. OpenMetrics requires a decimal point in the bound. */
const boundText = (bound: number, format: MetricsFormat): string =>
  format === "openmetrics" && Number.isInteger(bound) ? `${bound}.0` : numberText(bound)

const sample = (name: string, labels: Labels, value: number | bigint): string => {
  const text = labels.map(([label, of]) => `${label}="${escaped(of)}"`).join(",")
  return `${name}${text === "" ? "" : `{${text}}`} ${numberText(value)}`
}

const histogram = (name: string, labels: Labels, state: Metric.HistogramState, format: MetricsFormat) => [
  ...state.buckets
    .filter(([bound]) => bound !== Number.POSITIVE_INFINITY)
    .map(([bound, count]) => sample(`${name}_bucket`, [...labels, ["le", boundText(bound, format)]], count)),
  sample(`${name}_bucket`, [...labels, ["le", "+Inf"]], state.count),
  sample(`${name}_sum`, labels, state.sum),
  sample(`${name}_count`, labels, state.count)
]

/**
 * Returns the samples of one series, which is a counter, a gauge or a histogram. This project uses only counters,
 * gauges and histograms.
 */
const samplesOf = (metric: Metric.Metric.Snapshot, format: MetricsFormat): ReadonlyArray<string> => {
  const labels = Object.entries(metric.attributes ?? {})
  if (metric.type === "Counter") return [sample(metric.id, labels, metric.state.count)]
  if (metric.type === "Gauge") return [sample(metric.id, labels, metric.state.value)]
  return metric.type === "Histogram" ? histogram(metric.id, labels, metric.state, format) : []
}

/** Returns all lines of a metric family: the help text, the type, and the samples. */
const family = (id: string, metrics: ReadonlyArray<Metric.Metric.Snapshot>, format: MetricsFormat) => {
  const [first] = metrics
  const samples = metrics.flatMap((metric) => samplesOf(metric, format))
  if (first === undefined || samples.length === 0) return []
  // In OpenMetrics a counter's family has the name of its samples without the suffix `_total`.
  const isCounter = first.type === "Counter" && id.endsWith(countSuffix)
  const name = format === "openmetrics" && isCounter ? id.slice(0, -countSuffix.length) : id
  const unit = units.find((one) => name.endsWith(`_${one}`))
  return [
    ...(first.description === undefined ? [] : [`# HELP ${name} ${help(first.description, format)}`]),
    `# TYPE ${name} ${first.type.toLowerCase()}`,
    ...(format === "openmetrics" && unit !== undefined ? [`# UNIT ${name} ${unit}`] : []),
    ...samples
  ]
}

/** Writes all metrics of this process as text in a format. */
export const metricsText = (format: MetricsFormat): string => {
  const families = Map.groupBy(Metric.snapshotUnsafe(Context.empty()), ({ id }) => id)
  const lines = [...families].flatMap(([id, metrics]) => family(id, metrics, format))
  return [...lines, ...(format === "openmetrics" ? ["# EOF"] : [])].map((line) => `${line}\n`).join("")
}
