import { inNormalForm, userIdLengthMax, userIdProblem } from "../account/Identifier.ts"
import { readToken } from "./Subject.ts"
import { visibleText } from "../account/VisibleText.ts"

/** The longest token of a user: a character has up to four bytes of UTF-8, and each is written as `=HH`. */
const userTokenLengthMax = userIdLengthMax * 4 * 3

const shown = (token: string): string =>
  `"${visibleText(token.length > userTokenLengthMax ? `${token.slice(0, userTokenLengthMax)}…` : token)}"`

/** Returns the user of a token that a person wrote, in any way that means it; `undefined` if it means no user. */
export const namedUser = (token: string): string | undefined => {
  const user = inNormalForm(readToken(token) ?? "")
  return userIdProblem(user) === undefined ? user : undefined
}

/**
 * Returns why a purchase must not be applied from a message that was sent for a user, or `undefined`. A user has one
 * token. The broker finds the partition by the token, so another way to write the same user is refused as well:
 * otherwise the number of partitions would decide whether the purchase counts.
 */
export const subjectUserProblem = (
  sentFor: string | undefined,
  purchase: { readonly userId: string; readonly userToken: string }
): string | undefined => {
  if (sentFor === undefined || sentFor === purchase.userToken) return undefined
  const user = namedUser(sentFor)
  if (user === purchase.userId) {
    return `sent for user ${user} written as ${shown(sentFor)}: write it as "${purchase.userToken}"`
  }
  return user === undefined
    ? `sent for ${shown(sentFor)}, which is no user, but it is a purchase of user ${purchase.userId}`
    : `sent for user ${user}, but it is a purchase of user ${purchase.userId}`
}
