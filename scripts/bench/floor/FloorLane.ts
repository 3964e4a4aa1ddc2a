import { createInbox, type NatsConnection } from "nats"
import { encodeCommit, headLineOf, revisionLineOf, revisionLinesOf, tokenOfLine } from "../../../src/protocol/Commit.ts"
import { commitSubject, encodeToken, segmentSubject } from "../../../src/protocol/Subject.ts"
import { FloorAccount } from "./FloorAccount.ts"
import type { FloorHeads } from "./FloorHeads.ts"
import type { FloorReads } from "./FloorReads.ts"
import type { FloorDelivery } from "./Partition.ts"
import { type FloorNotice, headersOf, type Publish } from "./Protocol.ts"
import type { ResidentAccounts } from "./ResidentAccounts.ts"

/** A delivery in hand, with the accounts of its purchases as soon as the accounts are loaded. */
interface Received {
  readonly delivery: FloorDelivery
  readonly accounts: Array<FloorAccount | undefined>
  /** The index of the first purchase of the message that is in no commit yet. */
  next: number
  missing: number
}

/** A commit of the floor that is being composed or is in flight. */
interface Commit {
  readonly touched: Set<FloorAccount>
  readonly ended: Array<FloorDelivery>
  readonly notices: Array<{ readonly edge: string; readonly notice: FloorNotice }>
  bytes: number
}

/**
 * The estimates for the size of a commit: the bytes of a purchase without its texts, and the bytes of a revision
 * without its purchases.
 */
const purchaseBytes = 60
const revisionBytes = 100

/** The time after which waiting acknowledgements are sent together, in milliseconds. */
const acknowledgeEvery = 20

const worker = "floor"

export interface LaneOptions {
  readonly partition: number
  readonly client: NatsConnection
  readonly publish: Publish
  readonly reads: FloorReads
  readonly heads: FloorHeads
  readonly accounts: ResidentAccounts
  /** The size at which a commit takes no more purchases, in bytes. */
  readonly commitBytesMax: number
  readonly notify: (edge: string, notice: FloorNotice) => void
}

const decoder = new TextDecoder()

/** One partition of the floor, with its chain of commits. At most one commit of the chain is in flight. */
export class FloorLane {
  epoch = 0
  /** The sequence of the newest commit of the chain. */
  newest = 0
  /** The input sequence up to which all purchases of the partition are committed. */
  position = 0
  private readonly options: LaneOptions
  private readonly received: Array<Received> = []
  private readonly commitsRead = new Map<number, Promise<string>>()
  private readonly acknowledgements: Array<string> = []
  private isCommitting = false
  private provedByNext: Array<() => void> = []
  private readonly settled: Array<() => void> = []
  private positionWaiting: Array<{ readonly sequence: number; readonly reached: () => void }> = []

  constructor(options: LaneOptions) {
    this.options = options
    const confirmations = createInbox()
    options.client.subscribe(confirmations, { callback: () => undefined })
    setInterval(() => {
      for (const subject of this.acknowledgements.splice(0)) {
        options.client.publish(subject, "+ACK", { reply: confirmations })
      }
    }, acknowledgeEvery)
  }

  /** Publishes the take-over record, and reads the heads and the later commits of the chain. */
  async takeOver(): Promise<void> {
    const { partition, reads, publish, heads } = this.options
    const last = await reads.latest(commitSubject(partition))
    if (last !== undefined) {
      const { position } = JSON.parse(headLineOf(decoder.decode(last.data)))
      this.position = position
    }
    const record = encodeCommit({ kind: "takeover", epoch: 0, worker, position: this.position }, [])
    this.epoch = await new Promise<number>((stored) =>
      publish(commitSubject(partition), record, this.expectation(last?.sequence ?? 0), ({ seq }) => stored(seq))
    )
    this.newest = this.epoch
    for (let from = last === undefined ? this.epoch : await heads.restore(); from < this.epoch;) {
      const page = await reads.from(commitSubject(partition), from)
      if (page.length === 0) break
      for (const { data, sequence } of page) {
        heads.committed(revisionLinesOf(decoder.decode(data)).map(tokenOfLine), sequence)
        from = sequence + 1
      }
    }
  }

  receive(delivery: FloorDelivery): void {
    const received: Received = { delivery, accounts: [], next: 0, missing: 0 }
    this.received.push(received)
    for (const [index, { userId }] of delivery.purchases.entries()) {
      const found = this.account(encodeToken(userId))
      if (found instanceof FloorAccount) {
        found.inHand += 1
        received.accounts.push(found)
        continue
      }
      received.accounts.push(undefined)
      received.missing += 1
      void this.takeLoaded(received, index, found)
    }
    this.commit()
  }

  private async takeLoaded(received: Received, index: number, loading: Promise<FloorAccount>): Promise<void> {
    const account = await loading
    account.inHand += 1
    received.accounts[index] = account
    received.missing -= 1
    if (received.missing === 0) this.commit()
  }

  /** Returns the account of a user, which is in memory, is new, or is read from the chain. */
  account(userToken: string): FloorAccount | Promise<FloorAccount> {
    const { accounts, heads } = this.options
    return accounts.get(userToken, () => {
      const newest = heads.table.find(userToken)
      return newest === 0
        ? new FloorAccount(userToken)
        : FloorAccount.read(userToken, newest, {
            lineAt: (sequence, token) => this.lineAt(sequence, token),
            segmentAt: async (sequence) => decoder.decode(await this.options.reads.at(sequence))
          })
    })
  }

  /** Waits until all purchases of the partition up to an input sequence are committed. */
  untilCommitted(sequence: number): Promise<void> {
    if (sequence <= this.position) return Promise.resolve()
    return new Promise((reached) => this.positionWaiting.push({ sequence, reached }))
  }

  /**
   * Returns whether a commit will be published soon. The acknowledgement of the next commit proves that this epoch
   * still owns the partition.
   */
  get hasWork(): boolean {
    return this.received.length > 0
  }

  /**
   * Returns whether this epoch published the commit at a sequence. If necessary, waits until the commit in flight is
   * acknowledged.
   */
  async isOwn(sequence: number): Promise<boolean> {
    while (sequence > this.newest && this.isCommitting) await new Promise<void>((done) => this.settled.push(done))
    return sequence <= this.newest
  }

  /** Waits for the acknowledgement of the next commit that is published from now on. */
  untilNextCommit(): Promise<void> {
    return new Promise((proved) => this.provedByNext.push(proved))
  }

  private async lineAt(sequence: number, userToken: string): Promise<string> {
    let reading = this.commitsRead.get(sequence)
    if (reading === undefined) {
      reading = this.options.reads.at(sequence).then((data) => {
        this.commitsRead.delete(sequence)
        return decoder.decode(data)
      })
      this.commitsRead.set(sequence, reading)
    }
    const line = revisionLineOf(await reading, userToken)
    if (line === undefined) throw new Error(`commit ${sequence} has no line of ${userToken}`)
    return line
  }

  private expectation(sequence: number) {
    return headersOf(`Nats-Expected-Last-Subject-Sequence: ${sequence}\r\n`)
  }

  private commit(): void {
    if (this.isCommitting) return
    const commit = this.compose()
    if (commit.touched.size === 0) return
    this.isCommitting = true
    const proved = this.provedByNext.splice(0)
    const lines: Array<string> = []
    for (const account of commit.touched) {
      account.isCommitting = true
      lines.push(account.takeLine())
    }
    const position = commit.ended.at(-1)?.sequence ?? this.position
    const { partition, publish } = this.options
    const text = encodeCommit({ kind: "commit", epoch: this.epoch, worker, position }, lines)
    publish(commitSubject(partition), text, this.expectation(this.newest), ({ seq }) => {
      this.newest = seq
      this.position = position
      this.isCommitting = false
      this.committed(commit, seq)
      for (const prove of proved) prove()
      for (const done of this.settled.splice(0)) done()
      this.commit()
    })
  }

  /** Composes the next commit from as many as fit of the oldest deliveries whose accounts are loaded. */
  private compose(): Commit {
    const commit: Commit = { touched: new Set(), ended: [], notices: [], bytes: 0 }
    for (let first = this.received[0]; first !== undefined && first.missing === 0; first = this.received[0]) {
      this.take(commit, first)
      if (first.next < first.delivery.purchases.length) break
      commit.ended.push(first.delivery)
      this.received.shift()
      if (commit.bytes >= this.options.commitBytesMax) break
    }
    return commit
  }

  private take(commit: Commit, received: Received): void {
    const { purchases, sequence, storedAt, noticeTo } = received.delivery
    for (; received.next < purchases.length && commit.bytes < this.options.commitBytesMax; received.next += 1) {
      const index = received.next
      const account = received.accounts[index]
      const purchase = purchases[index]
      if (account === undefined || purchase === undefined) return
      account.apply(purchase, sequence, index, storedAt)
      account.inHand -= 1
      const { purchaseId, productName, productType } = purchase
      commit.bytes += purchaseId.length + productName.length + productType.length + purchaseBytes
      if (!commit.touched.has(account)) commit.bytes += revisionBytes
      commit.touched.add(account)
      if (noticeTo === "") continue
      const [edge = "", message] = noticeTo.split(" ")
      commit.notices.push({ edge, notice: [Number(message), index, account.total] })
    }
  }

  private committed({ touched, ended, notices }: Commit, sequence: number): void {
    const { heads, accounts, notify } = this.options
    const tokens: Array<string> = []
    for (const account of touched) {
      account.isCommitting = false
      account.committed(sequence)
      tokens.push(account.userToken)
      if (account.isSegmentDue) this.seal(account)
      for (const look of account.looks.splice(0)) look()
    }
    heads.committed(tokens, sequence)
    for (const { edge, notice } of notices) notify(edge, notice)
    for (const { acknowledgeSubject } of ended) this.acknowledgements.push(acknowledgeSubject)
    for (const { sequence: wanted, reached } of this.positionWaiting) if (wanted <= this.position) reached()
    this.positionWaiting = this.positionWaiting.filter(({ sequence: wanted }) => wanted > this.position)
    accounts.evict()
  }

  private seal(account: FloorAccount): void {
    const { publish, partition } = this.options
    const { text, sealed } = account.seal()
    publish(segmentSubject(partition), text, headersOf(""), ({ seq }) => sealed(seq))
  }
}
