import { byId } from "./Elements.js"
import { Feed } from "./Feed.js"
import { Latencies } from "./Latencies.js"
import { NewestView } from "./NewestView.js"
import { showPartitions, showWorkers } from "./PartitionsView.js"
import { Rates } from "./Rates.js"
import { showReceipt } from "./ReceiptDialog.js"
import { RejectedView } from "./RejectedView.js"
import { signedOut } from "./Service.js"
import { SignIn } from "./SignIn.js"
import { StatusPoll } from "./StatusPoll.js"
import { TilesView } from "./TilesView.js"
import { showTrouble, troubleIn, troubleOfFailure } from "./TroubleView.js"
import { UserView } from "./UserView.js"

/** The shortest time between two drawings of the feed, and the most purchases of one drawing. */
const drawEveryMilliseconds = 400
const readPurchasesMax = 200

const rates = new Rates()
const latencies = new Latencies()
const tiles = new TilesView()
const user = new UserView()
const rejected = new RejectedView()
const newest = new NewestView({
  showUser: (userId) => {
    void user.show(userId)
    byId("user").scrollIntoView({ block: "start" })
    byId("user-id").focus({ preventScroll: true })
  },
  showReceipt: (userId, purchaseId) => void showReceipt(userId, purchaseId)
})

const feed = new Feed("feed", () => undefined)

let isAnswered = true
/** @type {import("./TroubleView.js").Trouble | undefined} */
let trouble

/** Returns the state of the service in a few words. The details of a trouble stand above the figures of the page. */
const connectionText = () => {
  if (trouble !== undefined) return trouble.short
  return feed.isOpen ? "Live: stored and applied" : "The feed broke off. Asking again."
}

const showConnection = () => {
  const connection = byId("connection")
  connection.dataset["state"] = !isAnswered
    ? "gone"
    : trouble !== undefined
      ? "troubled"
      : feed.isOpen
        ? "live"
        : "gone"
  const text = connectionText()
  // Screen readers read the text aloud when it is set, so an equal text is not set again.
  if (connection.textContent !== text) connection.textContent = text
  document.body.classList.toggle("stale", !isAnswered)
}

/** The number of rejections when the list was last read. */
let rejectedCount = -1

const poll = new StatusPoll(
  (status) => {
    isAnswered = true
    trouble = troubleIn(status)
    showTrouble(trouble)
    rates.take(status)
    tiles.showStatus(status, rates.all)
    showPartitions(status)
    showWorkers(status, rates)
    tiles.showLatency(latencies.at(Date.now()))
    const count = status.workers.reduce(
      (/** @type {number} */ sum, /** @type {any} */ one) => sum + (one.rejected ?? 0),
      0
    )
    if (count !== rejectedCount) void rejected.load(undefined)
    rejectedCount = count
    showConnection()
  },
  (message) => {
    isAnswered = false
    trouble = troubleOfFailure(message)
    showTrouble(trouble)
    showConnection()
  }
)

let isDrawn = true
const drawFeed = () => {
  isDrawn = true
  /** @type {Array<import("./NewestView.js").Shown>} */
  const purchases = []
  const now = Date.now()
  for (const { purchases: applied, appliedAt } of feed.newest()) {
    for (const purchase of applied.toReversed()) {
      purchases.push({ ...purchase, appliedAt })
      latencies.add(now, Date.parse(appliedAt) - Date.parse(purchase.storedAt))
    }
    if (purchases.length >= readPurchasesMax) break
  }
  if (purchases.length > 0) newest.take(purchases)
  tiles.showLatency(latencies.at(now))
  showConnection()
}

feed.changed = () => {
  if (isDrawn) setTimeout(drawFeed, drawEveryMilliseconds)
  isDrawn = false
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog")?.close())
}

/** Stops all requests while the page is hidden. */
const look = () => {
  if (document.hidden) {
    poll.stop()
    feed.close()
    user.hide()
    return
  }
  feed.open()
  poll.start()
  user.watch()
}

let isSignedIn = false
const signIn = new SignIn(() => {
  if (!isSignedIn) document.addEventListener("visibilitychange", look)
  isSignedIn = true
  look()
})
window.addEventListener(signedOut, () => {
  poll.stop()
  feed.close()
  signIn.open("The token has ended. Sign in with another one.")
})
newest.draw()
void signIn.begin()
