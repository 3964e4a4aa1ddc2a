import { Effect, Layer, References } from "effect"
import { auditServices } from "../../src/audit/AuditServices.ts"
import { auditLedger, type AuditReport } from "../../src/audit/LedgerAudit.ts"
import type { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { setUpStreams } from "../../src/harness/system/TestLedger.ts"
import type { TestSystem } from "../../src/harness/system/TestSystem.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { headsPrefix, headsStream, inputStream, journalStream } from "../../src/protocol/Subject.ts"
import type { Settings } from "../../src/Settings.ts"

/** A message of a stream. */
export interface CopiedMessage {
  readonly subject: string
  readonly payload: Buffer
}

/** The streams of a ledger. Each list has the messages at the sequences 1, 2, 3, and `undefined` for a removed one. */
export interface LedgerCopy {
  readonly journal: ReadonlyArray<CopiedMessage | undefined>
  readonly input: ReadonlyArray<CopiedMessage | undefined>
  readonly heads: ReadonlyArray<CopiedMessage | undefined>
}

interface Found {
  readonly message: { readonly subject: string; readonly data?: string }
}

const streamOf = async (admin: BrokerAdmin, stream: string): Promise<Array<CopiedMessage | undefined>> => {
  const { last_seq: last } = await admin.state(stream)
  const messages: Array<CopiedMessage | undefined> = []
  for (let seq = 1; seq <= last; seq += 1) {
    const found = await admin.api<Found>(`STREAM.MSG.GET.${stream}`, { seq })
    messages.push(found && { subject: found.message.subject, payload: Buffer.from(found.message.data ?? "", "base64") })
  }
  return messages
}

/** Reads the streams of a ledger. */
export const copyLedger = async (admin: BrokerAdmin): Promise<LedgerCopy> => ({
  journal: await streamOf(admin, journalStream),
  input: await streamOf(admin, inputStream),
  heads: await streamOf(admin, headsStream)
})

/** Makes the streams of a ledger anew, with the messages of a copy at the same sequences. */
export const restoreLedger = async (
  { settings, admin }: Pick<TestSystem, "settings" | "admin">,
  copy: LedgerCopy
): Promise<void> => {
  const none = { subject: `${headsPrefix}removed`, payload: Buffer.alloc(0) }
  for (const stream of [journalStream, inputStream, headsStream]) await admin.api(`STREAM.DELETE.${stream}`)
  await setUpStreams(settings)
  for (const messages of [copy.journal, copy.input, copy.heads]) {
    // The broker stores the messages of one connection in their order.
    const stored = messages.map(({ subject, payload } = none) => admin.publish(subject, payload))
    for (const [index, sequence] of (await Promise.all(stored)).entries()) {
      if (sequence !== index + 1) throw new Error(`message ${index + 1} got the sequence ${sequence}`)
    }
  }
}

const mebibyte = 1024 * 1024

/** Audits the ledger of a broker as the command line does. */
export const auditOf = (
  { natsUrl: url, brokerFiles: files }: Pick<Settings, "natsUrl" | "brokerFiles">,
  bytesMax = 512 * mebibyte
): Promise<AuditReport> =>
  Effect.runPromise(
    auditLedger({ bytesMax, progress: () => undefined }).pipe(
      Effect.provide(
        auditServices.pipe(Layer.provide(Connection.layer({ url, files, name: "test audit", role: "inspector" })))
      ),
      Effect.provideService(References.MinimumLogLevel, "Error")
    )
  )
