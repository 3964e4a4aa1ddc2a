import { decodeAlertPosition, type AlertPosition } from "../../protocol/AlertPosition.ts"
import { alertFilter, alertPositionSubject, encodeToken, partitionOf } from "../../protocol/Subject.ts"
import { type Alert, encodeAlert, encodeAlertId } from "../../rules/Alert.ts"
import type { Problem } from "../Invariant.ts"
import { type AlertGroup, alertsOf, type CheckedRecord, groupsOf } from "./AlertCheck.ts"

/** A group of alerts that was computed from the journal. `number` counts the groups of one commit and shard, from 1. */
interface DueGroup extends AlertGroup {
  readonly shard: number
  readonly purchaser: string
  readonly sequence: number
  readonly number: number
  /** The index of the group among all groups, in the order of the journal. */
  readonly index: number
  timesFound: number
}

const alertPrefix = alertFilter.slice(0, -1)
const positionPrefix = alertPositionSubject(0).slice(0, -1)

/** Returns the key of a group of alerts. Groups of the same purchase and owner have the same key. */
const keyOf = ({ owner, alerts: [first] }: AlertGroup): string =>
  `${owner} ${first?.sequence}.${first?.line}.${first?.index}`

const dueGroups = (journal: Iterable<CheckedRecord>, shards: number): Array<DueGroup> => {
  const numbers = new Map<string, number>()
  return alertsOf(journal).map((group, index) => {
    const shard = partitionOf(encodeToken(group.purchaser), shards)
    const sequence = group.alerts[0]?.sequence ?? 0
    const number = (numbers.get(`${shard} ${sequence}`) ?? 0) + 1
    numbers.set(`${shard} ${sequence}`, number)
    return { ...group, shard, sequence, number, index, timesFound: 0 }
  })
}

const isCovered = ({ through, messages }: AlertPosition, { sequence, number }: DueGroup): boolean =>
  sequence <= through || (sequence === through + 1 && number <= messages)

const textOf = (alert: Alert): string => {
  const { owner, ruleId, ruleVersion, before, after } = alert
  return `${encodeAlertId(alert)} of ${owner} by ${ruleId} version ${ruleVersion}, from ${before ?? "none"} to ${after}`
}

/** Compares the stored alerts of one purchase and owner with the alerts that were computed from the journal. */
const compare = (due: DueGroup, found: AlertGroup): Array<Problem> => {
  const problems: Array<Problem> = []
  const wanted = new Map(due.alerts.map((alert) => [alert.ruleNumber, alert]))
  for (const alert of found.alerts) {
    const right = wanted.get(alert.ruleNumber)
    wanted.delete(alert.ruleNumber)
    if (right === undefined) problems.push(`A2 phantom: ${textOf(alert)}`)
    else if (right.before !== alert.before || right.after !== alert.after) {
      problems.push(`A7 miscounted: ${textOf(alert)}, and not ${textOf(right)}`)
    } else if (encodeAlert(right) !== encodeAlert(alert)) {
      problems.push(`A2 phantom: ${encodeAlert(alert)}, and not ${encodeAlert(right)}`)
    }
  }
  for (const missing of wanted.values()) problems.push(`A1 missing: ${textOf(missing)}`)
  return problems
}

/**
 * Reads the records of the stream of alerts in order, and compares the records with the groups that were computed from
 * the journal.
 */
class AlertWalk {
  readonly problems: Array<Problem> = []
  private readonly due: ReadonlyMap<string, DueGroup>
  /**
   * The groups of each shard that were computed from the journal, in the order of the journal. `covered` has the number
   * of groups of each shard up to the shard's position.
   */
  private readonly ofShard: ReadonlyMap<number, ReadonlyArray<DueGroup>>
  private readonly covered = new Map<number, number>()
  private readonly positions = new Map<number, AlertPosition>()
  private readonly newest = new Map<string, number>()
  private readonly ahead = new Set<DueGroup>()

  constructor(journal: Iterable<CheckedRecord>, shards: number) {
    const groups = dueGroups(journal, shards)
    this.due = new Map(groups.map((group) => [keyOf(group), group]))
    this.ofShard = Map.groupBy(groups, ({ shard }) => shard)
  }

  alert(found: AlertGroup): void {
    const due = this.due.get(keyOf(found))
    if (due === undefined) {
      this.problems.push(...found.alerts.map((alert): Problem => `A2 phantom: ${textOf(alert)}`))
      return
    }
    due.timesFound += 1
    if (due.timesFound > 1) this.problems.push(`A1 doubled: ${found.alerts.map(textOf).join("; ")}`)
    else this.problems.push(...compare(due, found), ...this.order(due))
    this.ahead.add(due)
  }

  position(shard: number, position: AlertPosition): void {
    const before = this.positions.get(shard)
    this.positions.set(shard, position)
    const { through, messages } = position
    if (before !== undefined && (through - before.through || messages - before.messages) < 0) {
      this.problems.push(`A4 gone back: shard ${shard} from ${before.through} to ${through}`)
    }
    const groups = this.ofShard.get(shard) ?? []
    let covered = this.covered.get(shard) ?? 0
    for (let next = groups[covered]; next !== undefined && isCovered(position, next); next = groups[covered]) {
      if (next.timesFound === 0) this.problems.push(`A1 missing: ${next.alerts.map(textOf).join("; ")}`)
      this.ahead.delete(next)
      covered += 1
    }
    this.covered.set(shard, covered)
    for (const due of this.ahead) {
      if (due.shard !== shard) continue
      this.ahead.delete(due)
      if (!isCovered(position, due)) {
        this.problems.push(`prefix: position ${through} is stored after ${due.alerts.map(textOf).join("; ")}`)
      }
    }
  }

  /** Checks that the messages for an owner about one purchaser are in the order of the journal. */
  private order({ owner, purchaser, index, alerts }: DueGroup): Array<Problem> {
    const key = `${owner} ${purchaser}`
    const before = this.newest.get(key) ?? -1
    this.newest.set(key, Math.max(before, index))
    return index < before ? [`A3 out of order: ${alerts.map(textOf).join("; ")}`] : []
  }
}

/**
 * Computes all alerts from the journal alone, and compares the stream of alerts with the computed alerts. Before each
 * position, the stream has to have exactly the alerts up to the position. `journal` and `alerts` have their records in
 * the order of their streams. Returns the problems, each with the name of the broken invariant.
 */
export const alertProblems = (
  journal: Iterable<CheckedRecord>,
  alerts: Iterable<CheckedRecord>,
  shards: number
): ReadonlyArray<Problem> => {
  const walk = new AlertWalk(journal, shards)
  for (const record of alerts) {
    const { subject, text } = record
    if (subject.startsWith(alertPrefix)) for (const group of groupsOf([record])) walk.alert(group)
    else if (subject.startsWith(positionPrefix)) {
      walk.position(Number(subject.slice(positionPrefix.length)), decodeAlertPosition(text))
    }
  }
  return walk.problems
}
