import { OperationLog } from "./OperationLog.ts"
import { type Ask, exactJson } from "./Shopper.ts"
import { sold } from "./Sold.ts"

/** The pause between two operations of a caller. */
const restMilliseconds = 50
const retryMilliseconds = 50

/** One attempt at an operation, as its caller saw the request and the answer. */
export interface Attempt {
  readonly startedAt: number
  readonly endedAt: number
  /** The status of the answer; 0 if no answer came. */
  readonly status: number
}

export type Kind = "write" | "read"

/** One operation of a caller, with all attempts at the operation. */
interface Operation {
  readonly kind: Kind
  readonly lane: number
  readonly startedAt: number
  endedAt: number
  readonly attempts: Array<Attempt>
}

/** The effect of a fault on one kind of operation. */
export interface Felt {
  /** The longest time that a caller waited for an operation, including repeated attempts, in milliseconds. */
  readonly waited: number
  /** The number of attempts that failed, by status. */
  readonly errors: Readonly<Record<string, number>>
}

/**
 * Runs callers that write and read all the time: one writer and one reader for every user. Each caller repeats a failed
 * operation until it succeeds.
 */
export class Traffic {
  readonly log = new OperationLog()
  private readonly operations: Array<Operation> = []
  private readonly users: ReadonlyArray<string>
  private readonly done = new AbortController()
  private readonly ended: Promise<unknown>
  readonly readProblems: Array<string> = []

  /** Starts the callers. `asks` are the edges over which the users are spread. */
  constructor(users: ReadonlyArray<string>, asks: ReadonlyArray<Ask>) {
    this.users = users
    this.ended = Promise.all(
      users.flatMap((user, lane) => {
        const ask = asks[lane % asks.length]
        return ask === undefined ? [] : [this.write(user, lane, ask), this.read(user, lane, ask)]
      })
    )
  }

  /** Returns whether each caller has finished an operation that began after a given time. */
  hasPassed(moment: number): boolean {
    return (["write", "read"] as const).every((kind) =>
      this.users.every((_, lane) => {
        const last = this.operations.findLast((one) => one.kind === kind && one.lane === lane && one.endedAt > 0)
        return last !== undefined && last.startedAt > moment
      })
    )
  }

  /** Returns the effect of a fault on the operations of one kind that ended after a given time or have not ended. */
  feltSince(kind: Kind, moment: number): Felt {
    const errors: Record<string, number> = {}
    let waited = 0
    for (const { startedAt, endedAt, attempts } of this.since(kind, moment)) {
      waited = Math.max(waited, (endedAt || performance.now()) - startedAt)
      for (const { status } of attempts) {
        if (status !== 200 && status !== 202) errors[status] = (errors[status] ?? 0) + 1
      }
    }
    return { waited, errors }
  }

  /** Returns all attempts that ended after a given time, oldest first. */
  attemptsSince(kind: Kind, moment: number): ReadonlyArray<Attempt> {
    return this.since(kind, moment)
      .flatMap(({ attempts }) => attempts.filter(({ endedAt }) => endedAt > moment))
      .toSorted((one, other) => one.endedAt - other.endedAt)
  }

  async stop(): Promise<void> {
    this.done.abort()
    await this.ended
  }

  private since(kind: Kind, moment: number): ReadonlyArray<Operation> {
    return this.operations.filter((one) => one.kind === kind && (one.endedAt === 0 || one.endedAt > moment))
  }

  /** Repeats operations while the traffic goes on, and records each attempt. */
  private async keep(kind: Kind, lane: number, work: (tried: Ask, number: number) => Promise<void>, ask: Ask) {
    for (let number = 1; !this.done.signal.aborted; number += 1) {
      const operation: Operation = { kind, lane, startedAt: performance.now(), endedAt: 0, attempts: [] }
      this.operations.push(operation)
      const watched: Ask = async (path, init) => {
        const startedAt = performance.now()
        let status = 0
        try {
          const answer = await ask(path, init)
          status = answer.status
          return answer
        } finally {
          operation.attempts.push({ startedAt, endedAt: performance.now(), status })
        }
      }
      await work(watched, number)
      operation.endedAt = performance.now()
      await new Promise((resolve) => setTimeout(resolve, restMilliseconds))
    }
  }

  private write(user: string, lane: number, ask: Ask) {
    return this.keep("write", lane, (watched, number) => this.log.sell(watched, sold(user, `p${number}`)), ask)
  }

  private read(user: string, lane: number, ask: Ask) {
    let newest = 0
    const readOnce = async (watched: Ask) => {
      while (!this.done.signal.aborted) {
        const least = Math.max(newest, this.log.acknowledgedOf(user))
        const answer = await watched(`/users/${user}/total`).catch(() => undefined)
        const text = await answer?.text().catch(() => undefined)
        if (answer?.status === 200 && text !== undefined) {
          const { purchaseCount } = exactJson(text)
          if (purchaseCount < least) this.readProblems.push(`${user}: ${purchaseCount} of at least ${least}`)
          newest = Math.max(newest, purchaseCount)
          return
        }
        await new Promise((resolve) => setTimeout(resolve, retryMilliseconds))
      }
    }
    return this.keep("read", lane, readOnce, ask)
  }
}
