/** The lengths that a window of spending can have, by the clock and the calendar of a time zone. */
export const windowUnits = ["hour", "day", "month"] as const
export type WindowUnit = (typeof windowUnits)[number]

/** A stretch of time in milliseconds since 1970. The stretch of time includes `from` and excludes `to`. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** The length of windows, and the IANA name of the time zone whose clock and calendar cut them. */
export interface WindowKind {
  readonly by: WindowUnit
  readonly timeZone: string
}

const zonedAt = (at: number, timeZone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone)

/**
 * Returns the start of the window that holds a moment, in milliseconds since 1970. A day may have 23 or 25 hours, and
 * need not begin at midnight. An hour is a clock hour. If the clock is changed by less than an hour, one hour is
 * shorter or longer.
 */
export const windowStart = ({ by, timeZone }: WindowKind, at: number): number => {
  const moment = zonedAt(at, timeZone)
  if (by === "hour") return moment.round({ smallestUnit: "hour", roundingMode: "floor" }).epochMilliseconds
  return (by === "day" ? moment : moment.with({ day: 1 })).startOfDay().epochMilliseconds
}

/** Returns the end of the window that holds a moment. The end of a window is the start of the next window. */
export const windowEnd = (kind: WindowKind, at: number): number => {
  const start = windowStart(kind, at)
  const begun = zonedAt(start, kind.timeZone)
  // If the clock was put back by half an hour, the moment one hour after the start is still in the same window.
  for (let units = 1; ; units += 1) {
    const end = windowStart(kind, begun.add({ [`${kind.by}s`]: units }).epochMilliseconds)
    if (end > start) return end
  }
}

/** Returns the start of an earlier window: `windows` windows before the window that holds a moment. */
export const windowStartBefore = (kind: WindowKind, at: number, windows: number): number => {
  const start = zonedAt(windowStart(kind, at), kind.timeZone)
  return windowStart(kind, start.subtract({ [`${kind.by}s`]: windows }).epochMilliseconds)
}

/**
 * Cuts a range of time into at most `windowsMax` windows, oldest first. The first and the last window are cut off where
 * the range begins or ends inside them.
 */
export const windowsOf = (kind: WindowKind, range: Window, windowsMax: number): ReadonlyArray<Window> => {
  const windows: Array<Window> = []
  for (let from = range.from; from < range.to && windows.length < windowsMax;) {
    const to = Math.min(windowEnd(kind, from), range.to)
    windows.push({ from, to })
    from = to
  }
  return windows
}

/** Returns whether a text names a time zone of the IANA database. Offsets like +01:00 do not count as time zones. */
export const isTimeZone = (name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

/** Returns a moment as the clock of a time zone shows it, in ISO 8601 with its offset. */
export const clockTime = (at: number, timeZone: string): string =>
  zonedAt(at, timeZone).toString({ timeZoneName: "never" })
