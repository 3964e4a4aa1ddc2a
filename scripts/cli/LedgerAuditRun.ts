import { Effect, Layer, References } from "effect"
import { auditServices } from "../../src/audit/AuditServices.ts"
import { auditLedger, type AuditOptions, type AuditProgress, type AuditReport } from "../../src/audit/LedgerAudit.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { readEnvironment } from "../../src/Settings.ts"
import { AuditFailure } from "./AuditFailure.ts"
import { brokerUrl } from "./BrokerUrl.ts"
import { barText, Progress } from "./Progress.ts"

/** How long the audit waits for the connection to the broker. */
const connectWait = "10 seconds"

const barNames = { input: "input log", journal: "journal" } as const

const progressText = ({ pass, stream, done, through }: AuditProgress): string =>
  barText(`pass ${pass}, ${barNames[stream]}`, done, through)

/** The failures that the same command would meet again. */
const usageTags: ReadonlySet<unknown> = new Set(["MemoryTooSmall", "SettingInvalid", "CredentialsRefused"])

const failureOf = (failure: { readonly message: string; readonly _tag?: string }): AuditFailure =>
  failure instanceof AuditFailure ? failure : new AuditFailure(failure.message, usageTags.has(failure._tag))

/** Runs an audit of the ledger on the broker that NATS_URL names. Shows the progress on a terminal. */
export const runLedgerAudit = (bytesMax: number): Effect.Effect<AuditReport, AuditFailure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { natsUrl, brokerFiles } = yield* readEnvironment
      const url = brokerUrl(natsUrl)
      const progress = yield* Effect.acquireRelease(
        Effect.sync(() => new Progress()),
        (shown) => Effect.sync(() => shown.stop())
      )
      progress.show(() => "waiting for the broker")
      progress.start()
      const connection = Connection.layer({ url, name: "purchases audit", role: "inspector", files: brokerFiles })
      const services = auditServices.pipe(Layer.provide(connection))
      const opened = yield* Layer.build(services).pipe(
        Effect.timeoutOrElse({
          duration: connectWait,
          orElse: () =>
            Effect.fail(new AuditFailure("The broker does not answer. The audit reads the broker of NATS_URL.", false))
        })
      )
      const options: AuditOptions = { bytesMax, progress: (now) => progress.show(() => progressText(now)) }
      return yield* Effect.provide(auditLedger(options), opened)
    })
  ).pipe(Effect.provideService(References.MinimumLogLevel, "Error"), Effect.mapError(failureOf))
