import { byId, make, say } from "./Elements.js"
import { count, moment } from "./Format.js"
import { ask, messageOf, ServiceProblem, userPath } from "./Service.js"

/** @type {Readonly<Record<string, string>>} */
const states = {
  delivering: "delivering",
  retrying: "the newest attempt failed, and another follows",
  paused: "paused",
  off: "switched off"
}

/** @param {any} attempt */
const attemptText = ({ at, status, reason }) =>
  `${moment(at)}${status === undefined ? "" : `, status ${status}`}${reason === undefined ? "" : `: ${reason}`}`

/** @param {any} webhook @returns {ReadonlyArray<readonly [string, string]>} */
const membersOf = ({ url, state, paused, failures, lastAttempt, nextAttemptAt }) => [
  ["URL", url],
  ["State", states[state] ?? state],
  ...(paused === undefined ? [] : [/** @type {const} */ (["Paused", `${moment(paused.at)}: ${paused.reason}`])]),
  ...(lastAttempt === undefined ? [] : [/** @type {const} */ (["Newest attempt", attemptText(lastAttempt)])]),
  ...(failures === 0 ? [] : [/** @type {const} */ (["Failures in a row", count(failures)])]),
  ...(nextAttemptAt === undefined ? [] : [/** @type {const} */ (["Next attempt", moment(nextAttemptAt)])])
]

/** The webhook of a user. The webhook is read when a person opens this view, because most users have no webhook. */
export class WebhookView {
  userId = ""
  element = byId("webhook", HTMLDetailsElement)
  message = byId("webhook-message")
  members = byId("webhook-members")

  constructor() {
    this.element.addEventListener("toggle", () => {
      if (this.element.open) void this.read()
    })
  }

  /** Sets the user whose webhook the view shows when a person opens the view. @param {string} userId */
  show(userId) {
    if (userId !== this.userId) this.element.open = false
    this.userId = userId
  }

  async read() {
    const { userId } = this
    this.members.replaceChildren()
    say(this.message, "Reading")
    try {
      const webhook = await ask(`${userPath(userId)}/webhook`)
      if (userId !== this.userId) return
      say(this.message, "")
      this.members.replaceChildren(
        ...membersOf(webhook).map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text)))
      )
    } catch (failure) {
      if (userId !== this.userId) return
      const isNone = failure instanceof ServiceProblem && failure.status === 404
      if (isNone) say(this.message, "This user has no webhook.")
      else say(this.message, messageOf(failure), "problem")
    }
  }
}
