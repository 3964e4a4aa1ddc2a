import { WrongUrl } from "./Failure.ts"

const example = "http://127.0.0.1:8081"

/** Returns a text as a URL; `undefined` if the text is no URL. */
const urlOf = (text: string): URL | undefined => {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/**
 * Returns the address of the service, without blanks around it and without slashes at its end. Throws a
 * {@link WrongUrl} if the text is not an address, or has a user, a query or a fragment.
 */
export const addressOf = (given: string): string => {
  const text = given.trim()
  const wrong = (problem: string): WrongUrl => new WrongUrl(`"${text}" is not an address of the service: ${problem}`)
  const url = urlOf(text)
  if (url === undefined || !text.includes("://")) {
    const meant = `http://${text}`
    throw wrong(
      !text.includes("://") && urlOf(meant) !== undefined
        ? `http:// is missing. Write ${meant}`
        : `write one like ${example}`
    )
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong(`it begins with ${url.protocol}//. Write one with http:// or https://, like ${example}`)
  }
  if (url.username !== "" || url.password !== "") throw wrong("leave out the user and the password")
  if (/[?#]/.test(text)) throw wrong("leave out ? and #, and what follows them")
  return text.replace(/\/+$/, "")
}
