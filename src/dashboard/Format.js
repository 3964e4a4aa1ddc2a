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

/** A count with its thousands apart. @param {number} count */
export const count = (count) => grouped.format(count)

/** An exact decimal with its thousands apart; it stays a text. @param {string} decimal */
export const amount = (decimal) => {
  const [whole = "", places = ""] = decimal.split(".")
  return `${whole.replaceAll(wholeDigits, ",")}.${places}`
}

/** A rate: small ones with a place, since 0 would be another thing. @param {number} rate */
export const rate = (rate) => (rate > 0 && rate < 10 ? rate.toFixed(1) : grouped.format(Math.round(rate)))

/** @param {string} instant */
export const clock = (instant) => timeOfDay.format(new Date(instant))

/** A time with its year and its zone. @param {string} instant */
export const moment = (instant) => dayAndTime.format(new Date(instant))

/** How many of something. @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`

/** How often something came, and what became of it then; `never` where it did not. @param {number} number @param {string} became */
export const times = (number, became) => (number === 0 ? "never" : `${plural(number, "time")}, and was ${became}`)
