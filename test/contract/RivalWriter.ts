import { connectAs } from "../../src/harness/system/TestKeys.ts"
import { headers, type NatsConnection } from "nats"

export const chainStream = "CHAIN"
export const chainSubject = "chain.0"

const messageNotFound = 10_037
const askWaitMilliseconds = 2_000
const askAttemptsMax = 60
const askAgainMilliseconds = 100

/** The outcome of an append, as far as the writer knows the outcome. */
export type Appended =
  | { readonly kind: "stored"; readonly sequence: number }
  | { readonly kind: "refused"; readonly code: number }
  | { readonly kind: "unknown" }

/** An attempt to append a message, as the writer remembers it. */
export interface Attempt {
  readonly name: string
  readonly expected: number
  readonly outcome: Appended
}

interface Link {
  readonly sequence: number
  readonly name: string
  readonly expected: number
}

interface Answer {
  readonly seq?: number
  readonly message?: { readonly seq: number; readonly data?: string }
  readonly error?: { readonly err_code: number; readonly description: string }
}

/**
 * A client that appends to a chain of messages on one subject, and expects the sequence of the message before in each
 * append.
 */
export class RivalWriter {
  readonly attempts: Array<Attempt> = []
  private readonly client: NatsConnection
  private readonly name: string

  private constructor(client: NatsConnection, name: string) {
    this.client = client
    this.name = name
  }

  /** Connects to one broker, and never to another broker of its cluster. */
  static async open(url: string, name: string): Promise<RivalWriter> {
    const options = { maxReconnectAttempts: -1, reconnectTimeWait: 50, ignoreClusterUpdates: true }
    return new RivalWriter(await connectAs("admin", url, { name, ...options }), name)
  }

  async close(): Promise<void> {
    await this.client.close()
  }

  async createStream(replicas: number): Promise<void> {
    const config = { name: chainStream, subjects: ["chain.*"], num_replicas: replicas, allow_direct: true }
    const { error } = await this.ask(`STREAM.CREATE.${chainStream}`, config)
    if (error !== undefined) throw new Error(error.description)
  }

  /**
   * Appends a message that expects a sequence. If `expected` is `undefined`, appends without a condition, which no
   * owner may do.
   */
  async append(expected: number | undefined, claimed = expected ?? 0): Promise<Appended> {
    const name = `${this.name}-${this.attempts.length + 1}`
    const written = headers()
    if (expected !== undefined) written.set("Nats-Expected-Last-Subject-Sequence", String(expected))
    const index = this.attempts.push({ name, expected: claimed, outcome: { kind: "unknown" } }) - 1
    const payload = JSON.stringify({ name, expected: claimed })
    const outcome = await this.client
      .request(chainSubject, payload, { headers: written, timeout: askWaitMilliseconds })
      .then(
        (reply): Appended => {
          const { seq, error } = reply.json<Answer>()
          return seq !== undefined && error === undefined
            ? { kind: "stored", sequence: seq }
            : { kind: "refused", code: error?.err_code ?? 0 }
        },
        (): Appended => ({ kind: "unknown" })
      )
    this.attempts[index] = { name, expected: claimed, outcome }
    return outcome
  }

  /** Returns the sequence of the chain's newest message, as the leader has it; 0 if the chain is empty. */
  async newest(): Promise<number> {
    return (await this.read({ last_by_subj: chainSubject }))?.sequence ?? 0
  }

  /** Returns all messages of the chain, as the leader has them. */
  async chain(): Promise<Array<Link>> {
    const links: Array<Link> = []
    for (;;) {
      const found = await this.read({ seq: (links.at(-1)?.sequence ?? 0) + 1, next_by_subj: chainSubject })
      if (found === undefined) return links
      links.push(found)
    }
  }

  /** Makes the leader of the stream step down. Returns when the request is answered. */
  async stepDown(): Promise<void> {
    await this.ask(`STREAM.LEADER.STEPDOWN.${chainStream}`, {})
  }

  private async read(query: object): Promise<Link | undefined> {
    const { message, error } = await this.ask(`STREAM.MSG.GET.${chainStream}`, query)
    if (error?.err_code === messageNotFound || message === undefined) return undefined
    const { name, expected } = JSON.parse(Buffer.from(message.data ?? "", "base64").toString("utf8"))
    return { sequence: message.seq, name, expected }
  }

  /** Asks the broker's API again and again while the answer says that the stream has no leader. */
  private async ask(subject: string, body: object): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.client
        .request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: askWaitMilliseconds })
        .then(
          (reply) => reply.json<Answer>(),
          () => undefined
        )
      const isFinal = answer !== undefined && (answer.error === undefined || answer.error.err_code === messageNotFound)
      if (isFinal) return answer
      if (attempt === askAttemptsMax) throw new Error(`${subject}: ${answer?.error?.description ?? "no answer"}`)
      await new Promise((resolve) => setTimeout(resolve, askAgainMilliseconds))
    }
  }
}

/** Returns the problems of a chain: forks, and differences from the answers that its writers got. */
export const chainProblems = (chain: ReadonlyArray<Link>, attempts: ReadonlyArray<Attempt>): Array<string> => {
  const problems: Array<string> = []
  let before = 0
  for (const { sequence, name, expected } of chain) {
    if (expected !== before) problems.push(`${name} at ${sequence} follows ${before} and expected ${expected}`)
    before = sequence
  }
  const sequenceOf = new Map(chain.map(({ name, sequence }) => [name, sequence]))
  if (sequenceOf.size !== chain.length) problems.push("a message is stored twice")
  for (const { name, outcome } of attempts) {
    const found = sequenceOf.get(name)
    if (outcome.kind === "stored" && found !== outcome.sequence) {
      problems.push(`${name} was stored at ${outcome.sequence}, and is at ${found}`)
    }
    if (outcome.kind === "refused" && found !== undefined) problems.push(`${name} was refused, and is at ${found}`)
  }
  return problems
}
