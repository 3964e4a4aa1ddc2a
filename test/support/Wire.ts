import type { Msg, NatsConnection } from "nats"
import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { inboxPrefixOf } from "../../src/nats/client/BrokerRole.ts"
import { type CommitHead, headOf, revisionLinesOf, tokenOfLine } from "../../src/protocol/Commit.ts"
import { commitFilter } from "../../src/protocol/Subject.ts"

/** A commit or a take-over record that went over the wire, with the broker's answer if it came. */
export interface SentCommit extends CommitHead {
  readonly users: ReadonlyArray<string>
  /** The sequence of the newest commit that the sender expected. */
  readonly after: number
  /** The error code of the answer; 0 if the commit was stored. */
  answer?: number
}

/** Returns the error code of an answer; 0 if the commit was stored. */
const codeOf = (answer: Msg): number =>
  answer.json<{ readonly error?: { readonly err_code: number } }>().error?.err_code ?? 0

/**
 * Listens to the messages between workers and the broker, as any client of the broker can. The broker may deliver a
 * write and its answer in either order.
 */
export class Wire {
  readonly commits: Array<SentCommit> = []
  private readonly client: NatsConnection
  private readonly unanswered = new Map<string, SentCommit>()
  private readonly early = new Map<string, Msg>()

  private constructor(client: NatsConnection) {
    this.client = client
    client.subscribe(commitFilter, {
      callback: (_error, message) => {
        const { reply, headers } = message
        if (reply === undefined || reply === "") return
        const text = message.string()
        const after = Number(headers?.get("Nats-Expected-Last-Subject-Sequence"))
        const commit: SentCommit = { ...headOf(text), users: revisionLinesOf(text).map(tokenOfLine), after }
        this.commits.push(commit)
        const answer = this.early.get(reply)
        this.early.delete(reply)
        if (answer === undefined) this.unanswered.set(reply, commit)
        else commit.answer = codeOf(answer)
      }
    })
    client.subscribe(`${inboxPrefixOf("worker")}.>`, {
      callback: (_error, answer) => {
        const commit = this.unanswered.get(answer.subject)
        if (commit === undefined) return void this.early.set(answer.subject, answer)
        this.unanswered.delete(answer.subject)
        commit.answer = codeOf(answer)
      }
    })
  }

  static async tap(url: string): Promise<Wire> {
    const wire = new Wire(await connectAs("admin", url))
    await wire.client.flush()
    return wire
  }

  async close(): Promise<void> {
    await this.client.close()
  }
}
