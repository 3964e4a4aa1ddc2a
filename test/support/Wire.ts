import { connect, type NatsConnection } from "nats"
import { ledgerPrefix } from "../../src/domain/Subject.ts"

/** A batch as it went over the wire, with the broker's answer once it came. */
export interface SentBatch {
  /** The revision of `owner.<partition>` that it was guarded by. */
  readonly guard: number
  /** The error code; 0 where it was committed. */
  answer?: number
}

/** Listens to what workers send to the broker, and what it answers, as any client of it may. */
export class Wire {
  readonly batches: Array<SentBatch> = []
  private readonly client: NatsConnection
  private readonly unanswered = new Map<string, SentBatch>()

  private constructor(client: NatsConnection) {
    this.client = client
    client.subscribe(`${ledgerPrefix}position.>`, {
      callback: (_error, { reply, headers }) => {
        if (reply === undefined || headers?.has("Nats-Batch-Commit") !== true) return
        const batch: SentBatch = { guard: Number(headers.get("Nats-Expected-Last-Subject-Sequence")) }
        this.batches.push(batch)
        this.unanswered.set(reply, batch)
      }
    })
    client.subscribe("_INBOX.>", {
      callback: (_error, message) => {
        const batch = this.unanswered.get(message.subject)
        if (batch === undefined) return
        this.unanswered.delete(message.subject)
        batch.answer = message.json<{ readonly error?: { readonly err_code: number } }>().error?.err_code ?? 0
      }
    })
  }

  static async tap(url: string): Promise<Wire> {
    const wire = new Wire(await connect({ servers: url }))
    await wire.client.flush()
    return wire
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}
