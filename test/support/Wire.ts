import { connect, type Msg, type NatsConnection } from "nats"
import { ledgerPrefix } from "../../src/domain/Subject.ts"

/** A guarded write, or the last one of a batch, as it went over the wire, with the broker's answer once it came. */
export interface SentCommit {
  readonly key: string
  /** The revision of `owner.<partition>` that it was guarded by. */
  readonly guard: number
  /** The error code; 0 where it was committed. */
  answer?: number
}

/** The error code of an answer; 0 where it was committed. */
const codeOf = (answer: Msg): number =>
  answer.json<{ readonly error?: { readonly err_code: number } }>().error?.err_code ?? 0

/**
 * Listens to what workers send to the broker, and what it answers, as any client of it may. The broker may hand the two on
 * in either order: about one of a thousand refusals comes before the write that it refuses.
 */
export class Wire {
  readonly commits: Array<SentCommit> = []
  private readonly client: NatsConnection
  private readonly unanswered = new Map<string, SentCommit>()
  private readonly early = new Map<string, Msg>()

  private constructor(client: NatsConnection) {
    this.client = client
    client.subscribe(`${ledgerPrefix}>`, {
      callback: (_error, { subject, reply, headers }) => {
        const isGuarded = headers?.has("Nats-Expected-Last-Subject-Sequence-Subject") === true
        if (!isGuarded || reply === undefined || reply === "") return
        const guard = Number(headers.get("Nats-Expected-Last-Subject-Sequence"))
        const commit: SentCommit = { key: subject.slice(ledgerPrefix.length), guard }
        this.commits.push(commit)
        const answer = this.early.get(reply)
        this.early.delete(reply)
        if (answer === undefined) this.unanswered.set(reply, commit)
        else commit.answer = codeOf(answer)
      }
    })
    client.subscribe("_INBOX.>", {
      callback: (_error, answer) => {
        const commit = this.unanswered.get(answer.subject)
        if (commit === undefined) return void this.early.set(answer.subject, answer)
        this.unanswered.delete(answer.subject)
        commit.answer = codeOf(answer)
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
