import { decodeAlertPosition, type AlertPosition } from "../../protocol/AlertPosition.ts"
import { alertPositionSubject, alertsStream, journalStream } from "../../protocol/Subject.ts"
import type { BrokerAdmin, StreamRecord } from "../system/BrokerAdmin.ts"
import { until } from "../system/TestBroker.ts"
import type { Problem } from "../Invariant.ts"
import { alertProblems } from "./AlertProblems.ts"

/** Returns all positions that a shard has had, oldest first. */
export const positionsOf = async (admin: BrokerAdmin, shard = 0): Promise<ReadonlyArray<AlertPosition>> => {
  const records = await admin.records(alertsStream, alertPositionSubject(shard))
  return records.map(({ text }) => decodeAlertPosition(text))
}

/**
 * Returns the commits and rules of the journal, and all alerts and positions of shards. Reads the alerts before the
 * journal.
 */
export const readLedger = async (admin: BrokerAdmin) => {
  const alerts: ReadonlyArray<StreamRecord> = await admin.records(alertsStream, "$KV.alerts.>")
  return { alerts, journal: await admin.records(journalStream, "$KV.journal.*.*") }
}

/** Waits until a shard is judged up to the newest message of the journal that has a commit or rules. */
export const untilJudged = async (admin: BrokerAdmin, shard = 0, withinMilliseconds?: number): Promise<void> => {
  const last = await admin.lastRecord(journalStream, "$KV.journal.*.*")
  const isJudged = async () => {
    const newest = await admin.lastRecord(alertsStream, alertPositionSubject(shard))
    return newest !== undefined && decodeAlertPosition(newest.text).through >= (last?.sequence ?? 0)
  }
  await until(`shard ${shard} is judged up to ${last?.sequence}`, isJudged, withinMilliseconds)
}

/**
 * Returns the mistakes in the alerts that are stored up to the positions of the shards; an empty list if the alerts are
 * right. Does not wait until the journal is judged.
 */
export const mistakesOfJudge = async (admin: BrokerAdmin, shards = 1): Promise<ReadonlyArray<Problem>> => {
  const { journal, alerts } = await readLedger(admin)
  return alertProblems(journal, alerts, shards)
}
