import { revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { alertFilter, commitPrefix, decodeToken, rulesPrefix } from "../../protocol/Subject.ts"
import { decodeAlerts, encodeAlertId } from "../../rules/Alert.ts"
import { type NaiveAlert, NaiveJudge } from "./NaiveJudge.ts"

/** A message of the journal or of the stream of alerts. */
export interface CheckedRecord {
  readonly subject: string
  readonly sequence: number
  readonly text: string
}

/** The alerts that one purchase gave one owner. */
interface AlertGroup {
  readonly owner: string
  readonly alerts: ReadonlyArray<NaiveAlert>
}

/** Returns the part of an alert's id that names the purchase. */
const purchaseIn = ({ id }: NaiveAlert): string => id.slice(0, id.lastIndexOf("."))

/**
 * Returns the alerts that the journal gives, computed from the journal alone by a judge that looks at each rule for each
 * purchase. Records are in the order of the journal. Alerts of one purchase for one owner are one group. The groups are
 * in the order of the journal.
 */
export const alertsOf = (journal: Iterable<CheckedRecord>): Array<AlertGroup> => {
  const judge = new NaiveJudge()
  const groups: Array<AlertGroup> = []
  for (const { subject, sequence, text } of journal) {
    if (subject.startsWith(rulesPrefix)) {
      judge.changeRules(decodeToken(subject.slice(rulesPrefix.length)), sequence, text)
    } else if (subject.startsWith(commitPrefix)) {
      for (const [index, line] of revisionLinesOf(text).entries()) {
        const placed = {
          sequence,
          line: index + 1,
          userId: decodeToken(tokenOfLine(line)),
          revision: decodeRevision(line)
        }
        for (const ofPurchase of Map.groupBy(judge.judge(placed), purchaseIn).values()) {
          for (const [owner, alerts] of Map.groupBy(ofPurchase, (alert) => alert.owner)) groups.push({ owner, alerts })
        }
      }
    }
  }
  return groups
}

const alertPrefix = alertFilter.slice(0, -1)

/** Decodes the messages of the keys `alert.<owner>`, in their order. Skips other records of the stream of alerts. */
export const groupsOf = (alerts: Iterable<CheckedRecord>): Array<AlertGroup> =>
  [...alerts]
    .filter(({ subject }) => subject.startsWith(alertPrefix))
    .map(({ subject, text }) => ({
      owner: decodeToken(subject.slice(alertPrefix.length)),
      alerts: decodeAlerts(text).map((alert) => ({
        id: encodeAlertId(alert),
        owner: alert.owner,
        ruleId: alert.ruleId,
        ruleVersion: alert.ruleVersion,
        before: alert.before,
        after: alert.after
      }))
    }))

const textOf = ({ owner, alerts }: AlertGroup): string =>
  `${owner}: ${alerts.map(({ id, ruleId, ruleVersion, before, after }) => `${id} (${ruleId} version ${ruleVersion}, ${before} to ${after})`).join(", ")}`

/**
 * Returns what is wrong with the stored alerts, as sentences; an empty list if they are exactly the alerts of the
 * journal, each once, and in the order of the journal.
 */
export const alertMistakes = (journal: Iterable<CheckedRecord>, alerts: Iterable<CheckedRecord>): Array<string> => {
  const expected = alertsOf(journal).map(textOf)
  const found = groupsOf(alerts).map(textOf)
  const counts = new Map<string, number>()
  for (const text of found) counts.set(text, (counts.get(text) ?? 0) + 1)
  const wanted = new Set(expected)
  const mistakes = [
    ...expected.filter((text) => !counts.has(text)).map((text) => `lost: ${text}`),
    ...[...counts].filter(([text]) => !wanted.has(text)).map(([text]) => `not due: ${text}`),
    ...[...counts].filter(([, count]) => count > 1).map(([text, count]) => `stored ${count} times: ${text}`)
  ]
  if (mistakes.length > 0) return mistakes
  const moved = expected.findIndex((text, index) => found[index] !== text)
  return moved < 0 ? [] : [`out of order: ${found[moved]} is where ${expected[moved]} belongs`]
}
