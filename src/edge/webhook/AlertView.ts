import { decodeAlerts } from "../../rules/Alert.ts"
import { rulesOfUserMax } from "../../rules/RuleSet.ts"
import type { AlertView } from "../../webhook/Payload.ts"
import { alertBody } from "../contract/AlertBodies.ts"
import { type Located, referenceTo } from "../contract/Reference.ts"
import { encodeUserCursor, userMark } from "../contract/UserCursor.ts"

/** Writes the alerts of a delivery in the same form as the pages of alerts. */
export const alertViewOf = (located: Located): AlertView => ({
  alertsOf: (_userId, { text, storedAt }) => decodeAlerts(text).map((alert) => alertBody(alert, storedAt)),
  linkTo: (userId, { sequence }) => {
    const cursor = encodeUserCursor({ sequence, taken: 0, user: userMark(userId) })
    // One purchase gives a user at most one alert for each rule.
    return referenceTo(located, `/users/${encodeURIComponent(userId)}/alerts?limit=${rulesOfUserMax}&cursor=${cursor}`)
  }
})
