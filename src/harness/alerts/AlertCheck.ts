import { revisionLinesOf, tokenOfLine } from "../../protocol/Commit.ts"
import { decodeRevision } from "../../protocol/RevisionCodec.ts"
import { alertFilter, commitPrefix, decodeToken, rulesPrefix } from "../../protocol/Subject.ts"
import { type Alert, decodeAlerts } from "../../rules/Alert.ts"
import { NaiveJudge } from "./NaiveJudge.ts"

/** A message of the journal or of the stream of alerts. */
export interface CheckedRecord {
  readonly subject: string
  readonly sequence: number
  readonly text: string
}

/** The alerts that one purchase gave one owner. */
export interface AlertGroup {
  readonly owner: string
  /** The user who made the purchase. */
  readonly purchaser: string
  readonly alerts: ReadonlyArray<Alert>
}

/** Returns the part of an alert's id that names the purchase. */
const purchaseIn = ({ sequence, line, index }: Alert): string => `${sequence}.${line}.${index}`

/**
 * Computes all alerts from the journal alone, with a judge that looks at each rule for each purchase. `journal` has the
 * records of the journal in their order. The alerts of one purchase for one owner are one group of alerts. The groups
 * of alerts are in the order of the journal.
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
          for (const [owner, alerts] of Map.groupBy(ofPurchase, (alert) => alert.owner))
            groups.push({ owner, purchaser: placed.userId, alerts })
        }
      }
    }
  }
  return groups
}

const alertPrefix = alertFilter.slice(0, -1)

/**
 * Decodes the messages of the keys `alert.<owner>`, in the order of the stream. Skips the records of the stream of
 * alerts with any other key.
 */
export const groupsOf = (alerts: Iterable<CheckedRecord>): Array<AlertGroup> =>
  [...alerts]
    .filter(({ subject }) => subject.startsWith(alertPrefix))
    .map(({ subject, text }) => {
      const alerts = decodeAlerts(text)
      return { owner: decodeToken(subject.slice(alertPrefix.length)), purchaser: alerts[0]?.userId ?? "", alerts }
    })
