import { byId } from "./Elements.js"
import { rights } from "./Rights.js"

/** The time for which a button shows that the text was copied, in milliseconds. */
const saidMilliseconds = 2_000

/** Quotes a text for a shell. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`

/**
 * Returns the curl command that requests a path of the service. In the command, a variable of the shell stands for the
 * token. @param {string} path
 */
export const curlOf = (path) => {
  const token = rights.needsToken ? ' -H "authorization: Bearer $PURCHASES_TOKEN"' : ""
  return `curl ${quoted(new URL(path, location.href).href)}${token}`
}

/**
 * Copies a text. A browser gives a page the clipboard only over HTTPS, or if the page comes from the same machine.
 * Without the clipboard, the function selects the text in a field and copies the selection.
 *
 * @param {string} text
 */
const copy = async (text) => {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text)
  const field = document.createElement("textarea")
  field.value = text
  const dialog = document.querySelector("dialog[open]") ?? document.body
  dialog.append(field)
  field.select()
  const isCopied = document.execCommand("copy")
  field.remove()
  if (!isCopied) throw new Error("The browser copies nothing.")
}

/**
 * Makes a button copy a text at a click, and show whether the text was copied.
 *
 * @param {string} id of the button
 * @param {() => string} text
 */
export const copies = (id, text) => {
  const button = byId(id, HTMLButtonElement)
  const name = button.textContent ?? ""
  const copied = byId("copied")
  button.addEventListener("click", async () => {
    try {
      await copy(text())
      button.textContent = "Copied"
    } catch {
      button.textContent = "Not copied"
    }
    copied.textContent = button.textContent
    setTimeout(() => {
      button.textContent = name
      copied.textContent = ""
    }, saidMilliseconds)
  })
}
