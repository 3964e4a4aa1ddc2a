import { Address } from "./Address.js"
import { byId } from "./Elements.js"
import { ErrorsView } from "./ErrorsView.js"
import { Feed } from "./Feed.js"
import { healthIn, showHealth, troubleIn, troubleOfFailure } from "./HealthView.js"
import { showJudges } from "./JudgesView.js"
import { Latencies } from "./Latencies.js"
import { NewestView } from "./NewestView.js"
import { showPartitions, showWorkers } from "./PartitionsView.js"
import { Rates } from "./Rates.js"
import { RejectedView } from "./RejectedView.js"
import { rights } from "./Rights.js"
import { signedOut } from "./Service.js"
import { SignIn } from "./SignIn.js"
import { StatusPoll } from "./StatusPoll.js"
import { TilesView } from "./TilesView.js"
import { UserView } from "./UserView.js"

/**
 * The shortest time between two drawings of the newest purchases in milliseconds, and the most purchases of one
 * drawing.
 */
const drawEveryMilliseconds = 400
const readPurchasesMax = 200

const address = new Address()
const rates = new Rates()
const latencies = new Latencies()
const tiles = new TilesView()
const errors = new ErrorsView()
const user = new UserView(address)
const rejected = new RejectedView(address)
const newest = new NewestView(address)
const feed = new Feed("feed", () => undefined)

let isAnswered = true
/** @type {import("./HealthView.js").Trouble | undefined} */
let trouble
/** @type {import("./HealthView.js").Health} */
let health = { state: "ok", heading: "Reading the state of the service", detail: "" }

const isOperating = () => address.place.view === "operate" && rights.may("status:read")

/** Shows the state of the service in a few words. The details of a trouble stand at the top of the page. */
const showConnection = () => {
  const connection = byId("connection")
  connection.dataset["state"] = !isAnswered ? "gone" : trouble === undefined ? "live" : "troubled"
  const text = trouble?.short ?? "Stored and applied"
  // Screen readers read the text aloud when it is set, so an equal text is not set again.
  if (connection.textContent !== text) connection.textContent = text
  document.body.classList.toggle("stale", !isAnswered)
  showHealth(health, isOperating())
  user.showAge(isAnswered)
}

/** The number of rejected purchases that the workers had counted in the previous status. */
let rejectedCount = -1

const poll = new StatusPoll(
  (status) => {
    const wasTroubled = trouble !== undefined
    isAnswered = true
    trouble = troubleIn(status)
    if (wasTroubled && trouble === undefined && !isOperating()) user.retry()
    health = healthIn(status)
    rates.take(status)
    tiles.showStatus(status, rates.all)
    showPartitions(status)
    showWorkers(status, rates)
    showJudges(status.alerts)
    tiles.showLatency(latencies.at(Date.now()))
    if (isOperating()) errors.showStatus(status)
    const count = status.workers.reduce(
      (/** @type {number} */ sum, /** @type {any} */ one) => sum + (one.rejected ?? 0),
      0
    )
    if (count !== rejectedCount && isOperating()) void rejected.load()
    rejectedCount = count
    showConnection()
  },
  (message) => {
    isAnswered = false
    trouble = troubleOfFailure(message)
    health = { state: "down", heading: trouble.heading, detail: trouble.detail }
    showConnection()
  }
)

let isDrawn = true
const drawFeed = () => {
  isDrawn = true
  /** @type {Array<import("./NewestView.js").Shown>} */
  const purchases = []
  const now = Date.now()
  for (const { purchases: applied, reversals = [], appliedAt } of feed.newest()) {
    const entries = [...applied, ...reversals].sort((one, other) => other.number - one.number)
    for (const purchase of entries) {
      purchases.push({ ...purchase, appliedAt })
      latencies.add(now, Date.parse(appliedAt) - Date.parse(purchase.storedAt))
    }
    if (purchases.length >= readPurchasesMax) break
  }
  newest.feedState = feed.isOpen ? "live" : feed.failures > 0 ? "broken" : "opening"
  newest.take(purchases)
  tiles.showLatency(latencies.at(now))
}

feed.changed = () => {
  if (isDrawn) setTimeout(drawFeed, drawEveryMilliseconds)
  isDrawn = false
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close())
}

/** Shows the state that the address holds, and stops the requests of the view that is not shown. */
const follow = () => {
  const { place } = address
  const isOperate = isOperating()
  byId("support").hidden = isOperate
  byId("operate").hidden = !isOperate
  for (const [id, isShown] of /** @type {const} */ ([
    ["to-support", !isOperate],
    ["to-operate", isOperate]
  ])) {
    const link = byId(id, HTMLAnchorElement)
    link.href = address.linkTo({ view: id.slice("to-".length), receipt: undefined })
    if (isShown) link.setAttribute("aria-current", "page")
    else link.removeAttribute("aria-current")
  }
  document.title = `${isOperate ? "Operate" : (place.user ?? "Support")} · Purchase ledger`
  showHealth(health, isOperate)
  if (isOperate) {
    user.leave()
    if (rights.may("feed:read")) feed.open()
    void rejected.show(place)
  } else {
    feed.close()
    user.follow(place)
  }
}

/** Stops all requests while the page is hidden. */
const look = () => {
  if (document.hidden) {
    poll.stop()
    feed.close()
    user.hide()
    return
  }
  if (rights.may("status:read")) poll.start()
  follow()
}

let isSignedIn = false
const signIn = new SignIn(() => {
  if (!isSignedIn) document.addEventListener("visibilitychange", look)
  isSignedIn = true
  address.changed = follow
  look()
  if (address.place.user === undefined && !isOperating() && matchMedia("(pointer: fine)").matches) user.input.focus()
})
window.addEventListener(signedOut, () => {
  poll.stop()
  feed.close()
  user.hide()
  signIn.open("The token has ended. Sign in with another one.")
})
newest.draw()
void signIn.begin()
