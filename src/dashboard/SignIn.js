import { byId, say } from "./Elements.js"
import { rights } from "./Rights.js"
import { ask, messageOf } from "./Service.js"

/**
 * Asks the person for a token if the edge needs one. The edge keeps the token in a cookie that this page cannot read.
 */
export class SignIn {
  dialog = byId("sign-in", HTMLDialogElement)
  token = byId("sign-in-token", HTMLInputElement)
  message = byId("sign-in-message")
  leave = byId("sign-out", HTMLButtonElement)

  /** @param {() => void} done called whenever requests of this page may be answered */
  constructor(done) {
    this.done = done
    byId("sign-in-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault()
      void this.send()
    })
    // Without a token the page shows nothing, so a person cannot close the dialog.
    this.dialog.addEventListener("cancel", (event) => event.preventDefault())
    this.leave.addEventListener("click", () => void this.end())
  }

  /**
   * Opens the dialog if the edge needs a token and the person has not signed in. If the edge does not answer, the
   * requests of the page begin without a dialog.
   */
  async begin() {
    try {
      const session = await ask("session")
      const { needed, caller } = session
      rights.take(session)
      this.leave.hidden = !needed || caller === undefined
      if (needed && caller === undefined) return this.open("")
    } catch {
      // The poll for the status shows that the service does not answer.
    }
    this.done()
  }

  /** @param {string} why */
  open(why) {
    say(this.message, why, "problem")
    if (!this.dialog.open) this.dialog.showModal()
  }

  async send() {
    const body = JSON.stringify({ token: this.token.value.trim() })
    this.token.value = ""
    try {
      rights.take(await ask("session", { method: "POST", headers: { "content-type": "application/json" }, body }))
      this.dialog.close()
      this.leave.hidden = false
      this.done()
    } catch (failure) {
      this.open(messageOf(failure))
    }
  }

  async end() {
    await ask("session/end", { method: "POST" }).catch(() => undefined)
    location.reload()
  }
}
