const grouped = new Intl.NumberFormat("en-US")
const wholeDigits = /\B(?=(?:\d{3})+(?!\d))/g
const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const dayAndTime = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short"
})

/** Writes a count with commas. @param {number} count */
export const count = (count) => grouped.format(count)

/** Writes an exact decimal with commas, as text. @param {string} decimal */
export const amount = (decimal) => {
  const [whole = "", places = ""] = decimal.split(".")
  return `${whole.replaceAll(wholeDigits, ",")}.${places}`
}

const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 })

/** Writes an amount in a few characters, for an axis: `1.2K`, `5M`. @param {number} amount */
export const compact = (amount) => short.format(amount)

/** Writes a rate. Rates below 10 have a decimal place, so that a small rate does not read as 0. @param {number} rate */
export const rate = (rate) => (rate > 0 && rate < 10 ? rate.toFixed(1) : grouped.format(Math.round(rate)))

/** Writes the time of day. @param {string} instant */
export const clock = (instant) => timeOfDay.format(new Date(instant))

/** Returns the short name of the time zone of this browser, like `CET`. */
export const zone = () => dayAndTime.formatToParts(new Date()).find(({ type }) => type === "timeZoneName")?.value ?? ""

/** Writes a time with its date and time zone. @param {string} instant */
export const moment = (instant) => dayAndTime.format(new Date(instant))

/** Writes a time span in its largest unit: `850 ms`, `12 s`, `5 min`, `3 h`, `2 days`. @param {number} milliseconds */
export const duration = (milliseconds) => {
  if (milliseconds < 1_000) return `${count(Math.round(milliseconds))} ms`
  const seconds = Math.floor(milliseconds / 1_000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${count(Math.floor(seconds / 86_400))} days`
}

/** Writes a time with its date and time zone in two parts, between which a narrow column may break the line. @param {string} instant */
export const momentParts = (instant) => {
  const text = moment(instant)
  const end = text.indexOf(", ") + 1
  return [text.slice(0, end), text.slice(end + 1)]
}

/** Writes a count with its noun. @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`

/** Writes how many entries an account or a window has. @param {{ purchaseCount: number, reversalCount?: number }} counts */
export const entriesText = ({ purchaseCount, reversalCount = 0 }) => {
  const purchases = plural(purchaseCount, "purchase")
  return reversalCount === 0 ? purchases : `${purchases} and ${plural(reversalCount, "reversal")}`
}

/** Writes the number of repeats with their outcome; `never` if the number is 0. @param {number} number @param {string} became */
export const times = (number, became) => (number === 0 ? "never" : `${plural(number, "time")}, and was ${became}`)
