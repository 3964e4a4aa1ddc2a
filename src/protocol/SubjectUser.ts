import { inNormalForm, userIdLengthMax, userIdProblem } from "../account/Identifier.ts"
import { readToken } from "./Subject.ts"
import { visibleText } from "../account/VisibleText.ts"

/** The longest token of a user. A character has at most four bytes of UTF-8, each of which is written as `=HH`. */
const userTokenLengthMax = userIdLengthMax * 4 * 3

const shown = (token: string): string =>
  `"${visibleText(token.length > userTokenLengthMax ? `${token.slice(0, userTokenLengthMax)}…` : token)}"`

/**
 * Returns the user id of a token that a person wrote, in any spelling that {@link readToken} accepts. Returns
 * `undefined` if the token does not stand for a valid user id.
 */
export const namedUser = (token: string): string | undefined => {
  const user = inNormalForm(readToken(token) ?? "")
  return userIdProblem(user) === undefined ? user : undefined
}

/**
 * Returns why a purchase must not be applied from a message; `undefined` if the purchase may be applied. `sentFor` is
 * the user token in the subject of the message. Each user has one token, and other spellings of the token are refused.
 * The broker computes the partition from the token in the subject. If other spellings of the token were accepted, the
 * number of partitions would decide whether a purchase counts.
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
    ? `sent for ${shown(sentFor)}, which is not a user id, but it is a purchase of user ${purchase.userId}`
    : `sent for user ${user}, but it is a purchase of user ${purchase.userId}`
}
