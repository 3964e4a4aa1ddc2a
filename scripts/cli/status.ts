import { Command } from "effect/cli"
import type { PartitionStatus, SystemStatus, WorkerStatus } from "../../src/client/Answers.ts"
import { asking } from "./Asking.ts"
import { plain } from "./Output.ts"

const unknown = "?"
const nobody = "nobody"

const partitionText = ({ partition, waitingMessages, owner = nobody }: PartitionStatus): string =>
  `${String(partition).padStart(9)}  ${String(waitingMessages ?? unknown).padStart(16)}  ${plain(owner)}`

const workerText = ({ worker, heardAt, partitions, ...work }: WorkerStatus): string => {
  const counts = (["applied", "repeats", "rejected"] as const)
    .map((what) => `${work[what] ?? unknown} ${what}`)
    .join(", ")
  return `${plain(worker)}: ${counts}; heard at ${heardAt.slice(0, 19)}; partitions ${partitions.join(", ") || "none"}`
}

const statusText = ({ partitions, workers, edge }: SystemStatus): string =>
  [
    "ready: purchases and reads can be sent",
    "partition  waiting messages  owner",
    ...partitions.map(partitionText),
    ...(workers.length === 0 ? ["no worker was heard in the last minute"] : workers.map(workerText)),
    `this edge: ${edge.waitingPurchases} purchases not stored yet, ${edge.feedReaders} readers of feeds`
  ].join("\n")

export const status = Command.make("status", {}, () =>
  asking(async ({ client, signal, print }) => {
    await client.ready({ signal })
    const found = await client.status({ signal })
    print({ status: "ready", ...found }, statusText(found))
  })
).pipe(
  Command.withDescription("Whether the service takes purchases now, what waits in its partitions, and its workers"),
  Command.withExamples([{ command: "purchases status", description: "Exit code 3 where it does not" }])
)
