import { Duration } from "effect"

const units: Readonly<Record<string, (amount: number) => Duration.Duration>> = {
  s: Duration.seconds,
  m: Duration.minutes,
  h: Duration.hours,
  d: Duration.days
}

/** Returns the milliseconds of a time like `90d`, `24h`, `30m` or `10s`; `undefined` if the text is not such a time. */
export const millisecondsIn = (text: string): number | undefined => {
  const [, amount, unit = ""] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? []
  const make = units[unit]
  return amount === undefined || make === undefined ? undefined : Duration.toMillis(make(Number(amount)))
}
