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

const journalOf = (admin: BrokerAdmin): Promise<ReadonlyArray<StreamRecord>> =>
  admin.records(journalStream, "$KV.journal.*.*")

/** Waits until a shard is judged up to the newest commit or rules of the journal. */
export const untilJudged = async (admin: BrokerAdmin, shard = 0, withinMilliseconds?: number): Promise<void> => {
  const last = await admin.lastRecord(journalStream, "$KV.journal.*.*")
  const isJudged = async () => {
    const newest = await admin.lastRecord(alertsStream, alertPositionSubject(shard))
    return newest !== undefined && decodeAlertPosition(newest.text).through >= (last?.sequence ?? 0)
  }
  await until(`shard ${shard} is judged up to ${last?.sequence}`, isJudged, withinMilliseconds)
}

/** Returns the mistakes in the stored alerts, once the journal is judged; an empty list if there are none. */
export const mistakesOfJudge = async (admin: BrokerAdmin, shards = 1): Promise<ReadonlyArray<Problem>> => {
  const journal = await journalOf(admin)
  return alertProblems(journal, await admin.records(alertsStream, "$KV.alerts.>"), shards)
}
