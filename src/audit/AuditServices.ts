import { Layer } from "effect"
import { AuditReader } from "../nats/AuditReader.ts"
import { CommitChain } from "../nats/CommitChain.ts"
import { CommitStream } from "../nats/CommitStream.ts"
import { HeadStore } from "../nats/HeadStore.ts"
import { InputLog } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"

/** Makes the services of an audit, which need a connection in the role `inspector`. */
export const auditServices = Layer.mergeAll(
  AuditReader.layer,
  CommitChain.layer,
  CommitStream.layer,
  HeadStore.layer,
  InputLog.layer,
  Topology.layer
)
