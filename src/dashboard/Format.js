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

/** Writes a rate. Rates below 10 have a decimal place, so that a small rate does not read as 0. @param {number} rate */
export const rate = (rate) => (rate > 0 && rate < 10 ? rate.toFixed(1) : grouped.format(Math.round(rate)))

/** Writes the time of day. @param {string} instant */
export const clock = (instant) => timeOfDay.format(new Date(instant))

/** Writes a time with its date and time zone. @param {string} instant */
export const moment = (instant) => dayAndTime.format(new Date(instant))

/** Writes a count with its noun. @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`

/** Writes the number of repeats with their outcome; `never` if the number is 0. @param {number} number @param {string} became */
export const times = (number, became) => (number === 0 ? "never" : `${plural(number, "time")}, and was ${became}`)
