import type { Context } from "hono"
import { accepts } from "hono/accepts"
import { type MetricsFormat, metricsMediaTypes } from "./MetricsText.ts"

interface Wanted {
  readonly type: string
  readonly params: Readonly<Record<string, string>>
  readonly q: number
}

/** All formats of metrics. The first format is the default. */
const formats = Object.keys(metricsMediaTypes) as ReadonlyArray<MetricsFormat>

/**
 * Returns how exactly a part of an Accept header names a format, from 0 to 3. The result is 3 for the media type of the
 * format, 2 for a range of media types with the format, and 1 for all media types.
 */
const exactness = ({ type, params }: Wanted, format: MetricsFormat): number => {
  const [mediaType = "", version = ""] = metricsMediaTypes[format].split(/; version=|; /)
  if (type === "*/*") return 1
  if (type.toLowerCase() === `${mediaType.split("/")[0]}/*`) return 2
  return type.toLowerCase() === mediaType && [undefined, version].includes(params["version"]) ? 3 : 0
}

/**
 * Returns the weight of a format in an Accept header, from 0 to 1. The weight of a format is that of the part of the
 * header that names the format most exactly.
 */
const weightOf = (wanted: ReadonlyArray<Wanted>, format: MetricsFormat): number => {
  const exactest = Math.max(1, ...wanted.map((part) => exactness(part, format)))
  return Math.max(0, ...wanted.filter((part) => exactness(part, format) === exactest).map(({ q }) => q))
}

/**
 * Returns the format of metrics that a caller prefers, or `prometheus` if the caller has no preference. Returns
 * `undefined` if the caller accepts neither of the two formats.
 */
export const wantedFormat = (http: Context): MetricsFormat | undefined => {
  if (http.req.header("accept") === undefined) return formats[0]
  let found: MetricsFormat | undefined
  accepts(http, {
    header: "Accept",
    supports: [],
    default: "",
    match: (wanted) => {
      const weights = formats.map((format) => weightOf(wanted, format))
      const most = Math.max(...weights)
      found = most > 0 ? formats[weights.indexOf(most)] : undefined
      return ""
    }
  })
  return found
}
