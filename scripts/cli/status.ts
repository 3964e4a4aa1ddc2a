import { Command } from "effect/cli"
import type { PartitionStatus, SystemStatus, WorkerStatus } from "../../src/client/Answers.ts"
import { asking } from "./Asking.ts"
import { exitCode } from "./ExitCode.ts"
import { plain, timeText } from "./Output.ts"

const unknown = "?"
const nobody = "nobody"

/** Writes the state of one half of the service: `yes` or `NO`, and the detail. */
const halfText = (half: string, { ok, detail }: SystemStatus["storing"]): string =>
  `${half.padEnd(9)} ${ok ? "yes" : "NO "}  ${plain(detail)}`

const partitionText = ({ partition, waitingMessages, owner = nobody, notApplied }: PartitionStatus): string => {
  const trouble = notApplied === undefined ? "" : `  NOT APPLIED: ${plain(notApplied)}`
  return `${String(partition).padStart(9)}  ${String(waitingMessages ?? unknown).padStart(16)}  ${plain(owner)}${trouble}`
}

const workerText = ({ worker, alive, heardAt, startedAt, partitions, ...work }: WorkerStatus): string => {
  const counts = (["applied", "repeats", "rejected"] as const)
    .map((what) => `${work[what] ?? unknown} ${what}`)
    .join(", ")
  const since = startedAt === undefined ? "since its start" : `since its start at ${timeText(startedAt)}`
  const heard = `${alive ? "heard" : "NOT ALIVE, last heard"} at ${timeText(heardAt)}`
  return `${plain(worker)}: ${counts} ${since}; ${heard}; partitions ${partitions.join(", ") || "none"}`
}

const statusText = ({ storing, applying, partitions, workers, edge }: SystemStatus): string =>
  [
    halfText("storing:", storing),
    halfText("applying:", applying),
    "partition  waiting messages  owner",
    ...partitions.map(partitionText),
    ...(workers.length === 0 ? ["no worker was heard in the last minute"] : workers.map(workerText)),
    `this edge: ${edge.waitingPurchases} purchases not stored yet, ${edge.feedReaders} readers of feeds, time zone data ${plain(edge.timeZoneData)}`
  ].join("\n")

export const status = Command.make("status", {}, () =>
  asking(async ({ client, signal, print }) => {
    // `ready` asks once, and fails with the reason if nothing can be stored. Without this check, `status` would be
    // asked again and again.
    await client.ready({ signal })
    const found = await client.status({ signal })
    print(found, statusText(found))
    if (!found.storing.ok || !found.applying.ok) process.exitCode = exitCode.unavailable
  })
).pipe(
  Command.withDescription(
    "Whether purchases can be stored and are applied, the messages that wait in each partition, and the workers"
  ),
  Command.withExamples([
    { command: "purchases status", description: "Exit code 3 if purchases cannot be stored or are not applied" }
  ])
)
