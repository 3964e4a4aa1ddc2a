import { Command } from "effect/cli"
import type { PartitionStatus, SystemStatus, WorkerStatus } from "../../src/client/Answers.ts"
import { asking } from "./Asking.ts"
import { exitCode } from "./ExitCode.ts"
import { plain, timeText } from "./Output.ts"
import { type Column, type TableSpace, tableText } from "./Table.ts"

/** Returns the text without a colour. */
const unpainted: TableSpace["paint"] = (_style, text) => text

const unknown = "?"
const nobody = "nobody"

/** Writes the state of one half of the service: `yes` or `NO`, and the detail. */
const halfText = (half: string, { ok, detail }: SystemStatus["storing"], paint = unpainted): string =>
  `${half.padEnd(9)} ${ok ? paint("green", "yes") : paint("red", "NO ")}  ${plain(detail)}`

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

/** Writes the edge that answered as a line. */
const edgeText = ({ waitingPurchases, feedReaders, timeZoneData }: SystemStatus["edge"]): string =>
  `this edge: ${waitingPurchases} purchases not stored yet, ${feedReaders} readers of feeds, time zone data ${plain(timeZoneData)}`

const noWorkerText = "no worker was heard in the last minute"

const partitionColumns: ReadonlyArray<Column<PartitionStatus>> = [
  { name: "partition", cell: ({ partition }) => partition, isNumber: true },
  { name: "waiting messages", cell: ({ waitingMessages }) => waitingMessages ?? unknown, isNumber: true },
  { name: "owner", cell: ({ owner = nobody }) => owner },
  {
    name: "applied",
    cell: ({ notApplied }) => (notApplied === undefined ? "yes" : `NO: ${notApplied}`),
    colour: ({ notApplied }) => (notApplied === undefined ? "green" : "red")
  }
]

const workerColumns: ReadonlyArray<Column<WorkerStatus>> = [
  { name: "worker", cell: ({ worker }) => worker },
  { name: "alive", cell: ({ alive }) => (alive ? "yes" : "NO"), colour: ({ alive }) => (alive ? "green" : "red") },
  { name: "applied", cell: ({ applied }) => applied ?? unknown, isNumber: true },
  { name: "repeats", cell: ({ repeats }) => repeats ?? unknown, isNumber: true },
  { name: "rejected", cell: ({ rejected }) => rejected ?? unknown, isNumber: true },
  { name: "started at", cell: ({ startedAt }) => (startedAt === undefined ? unknown : timeText(startedAt)) },
  { name: "heard at", cell: ({ heardAt }) => timeText(heardAt) },
  { name: "partitions", cell: ({ partitions }) => partitions.join(", ") || "none" }
]

/** Writes the state of the system with tables. */
const statusTables = ({ storing, applying, partitions, workers, edge }: SystemStatus, terminal: TableSpace): string =>
  [
    halfText("storing:", storing, terminal.paint),
    halfText("applying:", applying, terminal.paint),
    "",
    tableText(partitionColumns, partitions, terminal),
    "",
    workers.length === 0 ? noWorkerText : tableText(workerColumns, workers, terminal),
    "",
    edgeText(edge)
  ].join("\n")

const statusText = ({ storing, applying, partitions, workers, edge }: SystemStatus): string =>
  [
    halfText("storing:", storing),
    halfText("applying:", applying),
    "partition  waiting messages  owner",
    ...partitions.map(partitionText),
    ...(workers.length === 0 ? [noWorkerText] : workers.map(workerText)),
    edgeText(edge)
  ].join("\n")

export const status = Command.make("status", {}, () =>
  asking(async ({ client, signal, print, terminal }) => {
    // `ready` asks once, and fails with the reason if nothing can be stored. Without this check, the command would ask
    // for `status` again and again.
    await client.ready({ signal })
    const found = await client.status({ signal })
    print(found, terminal === undefined ? statusText(found) : statusTables(found, terminal))
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
