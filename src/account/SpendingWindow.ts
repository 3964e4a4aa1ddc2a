/** How long a window of spending is, by the clock and the calendar of a time zone. */
export const windowUnits = ["hour", "day", "month"] as const
export type WindowUnit = (typeof windowUnits)[number]

/** A stretch of time, in milliseconds since 1970: from its first moment up to, and without, the first after it. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Which windows are meant: their length, and the IANA name of the zone whose clock and calendar cut them. */
export interface WindowKind {
  readonly by: WindowUnit
  readonly timeZone: string
}

const zonedAt = (at: number, timeZone: string): Temporal.ZonedDateTime =>
  Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(timeZone)

/**
 * Where the window begins that holds a moment. A day may have 23 or 25 hours, and need not begin at midnight; an hour
 * is a clock hour, and where the clock is put by less than an hour, it is shorter or longer for once.
 */
export const windowStart = ({ by, timeZone }: WindowKind, at: number): number => {
  const moment = zonedAt(at, timeZone)
  if (by === "hour") return moment.round({ smallestUnit: "hour", roundingMode: "floor" }).epochMilliseconds
  return (by === "day" ? moment : moment.with({ day: 1 })).startOfDay().epochMilliseconds
}

/** Where the window after the one that holds a moment begins. */
export const windowEnd = (kind: WindowKind, at: number): number => {
  const start = windowStart(kind, at)
  const begun = zonedAt(start, kind.timeZone)
  // An hour in which the clock was put back by half of one: an hour after its start is still in it.
  for (let units = 1; ; units += 1) {
    const end = windowStart(kind, begun.add({ [`${kind.by}s`]: units }).epochMilliseconds)
    if (end > start) return end
  }
}

/** Where the window begins that is so many windows before the one that holds a moment. */
export const windowStartBefore = (kind: WindowKind, at: number, windows: number): number => {
  const start = zonedAt(windowStart(kind, at), kind.timeZone)
  return windowStart(kind, start.subtract({ [`${kind.by}s`]: windows }).epochMilliseconds)
}

/**
 * Cuts a range into windows, oldest first, and at most so many. The first and the last are shorter where the range
 * begins or ends within a window, so that the windows are the range.
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

/** Whether this names a time zone of the IANA database; offsets like +01:00 are none. */
export const isTimeZone = (name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

/** A moment as the clock of a time zone shows it, with its offset. */
export const clockTime = (at: number, timeZone: string): string =>
  zonedAt(at, timeZone).toString({ timeZoneName: "never" })
