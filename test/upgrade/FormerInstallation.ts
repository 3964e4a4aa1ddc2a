import { Duration, Effect, Schema } from "effect"
import {
  type Account,
  decide,
  type DeliveredPurchase,
  emptyAccount,
  evolve,
  isEmpty,
  revisionOf
} from "../../src/account/Account.ts"
import { Purchase } from "../../src/account/Purchase.ts"
import type { Revision } from "../../src/account/Revision.ts"
import { encodeToken, formerLedgerStream, partitionOf } from "../../src/protocol/Subject.ts"
import { Connection } from "../../src/nats/client/Connection.ts"
import { ensureInput } from "../../src/nats/Topology.ts"
import { BrokerAdmin } from "../../src/harness/system/BrokerAdmin.ts"
import { inputMessage, type Sold } from "../../src/harness/system/Sold.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { TestBroker } from "../../src/harness/system/TestBroker.ts"

const prefix = "$KV.ledger."
/** The former layout sealed an account's ids at this many unsealed ids or revisions. */
const formerSealMin = 256

/** An account of the former layout, with the sequences of its revisions in that layout. */
interface FormerAccountState {
  readonly account: Account
  previous: Array<number>
  segments: number
  unsealed: number
}

const decodePurchase = Schema.decodeSync(Purchase)

const createInput = (url: string, partitions: number) =>
  Effect.runPromise(
    ensureInput({ partitions, replicas: 1, duplicateWindow: Duration.seconds(1), inputBytesMax: 1024 ** 3 }).pipe(
      Effect.provide(Connection.layer({ url, name: "test", role: "admin", files: { nkey: testKeyFile } })),
      Effect.scoped
    )
  )

const formerConfig = {
  name: formerLedgerStream,
  subjects: [`${prefix}>`],
  retention: "limits",
  storage: "file",
  discard: "new",
  max_msgs_per_subject: 1_000_000_000_000,
  num_replicas: 1,
  allow_atomic: true,
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_delete: true
}

const formerRevision = (revision: Revision, { previous, segments, unsealed }: FormerAccountState): string =>
  JSON.stringify({
    version: 1,
    total: revision.total.toString(),
    count: revision.count,
    decidedThrough: revision.decidedThrough,
    purchases: revision.purchases.map((purchase) => [
      purchase.purchaseId,
      purchase.productName,
      purchase.productType,
      Number(purchase.valueCents),
      purchase.quantity,
      purchase.inputSequence,
      purchase.inputIndex,
      purchase.storedAt
    ]),
    repeats: Array.from(revision.repeats, ([id, { repeats, conflicts }]) => [id, repeats, conflicts]),
    previous,
    segments,
    unsealed
  })

/** An installation of the former layout on a broker of its own, as its workers would have written it. */
export class FormerInstallation {
  readonly broker: TestBroker
  readonly admin: BrokerAdmin
  readonly partitions: number
  /** The input sequence up to which each partition is applied. */
  readonly positions: Array<number>
  private readonly accounts = new Map<string, FormerAccountState>()

  private constructor(broker: TestBroker, admin: BrokerAdmin, partitions: number) {
    this.broker = broker
    this.admin = admin
    this.partitions = partitions
    this.positions = Array.from({ length: partitions }, () => 0)
  }

  static async start(partitions: number): Promise<FormerInstallation> {
    const broker = await TestBroker.start()
    await createInput(broker.url, partitions)
    const admin = await BrokerAdmin.open(broker.url, partitions)
    await admin.api(`STREAM.CREATE.${formerLedgerStream}`, formerConfig)
    const installation = new FormerInstallation(broker, admin, partitions)
    for (let partition = 0; partition < partitions; partition += 1) {
      await installation.write(`owner.${partition}`, { version: 1, worker: "former" })
    }
    return installation
  }

  /** Writes a value of the former layout. Returns its sequence. */
  write(key: string, value: string | object): Promise<number> {
    return this.admin.publish(prefix + key, typeof value === "string" ? value : JSON.stringify(value))
  }

  /**
   * Stores purchases of one partition as one message. Applies the message as a former worker did: one revision for each
   * user.
   */
  async apply(sales: ReadonlyArray<Sold>): Promise<void> {
    const partition = partitionOf(encodeToken(sales[0]?.userId ?? ""), this.partitions)
    const inputSequence = await this.admin.publish(`purchases.${partition}.=many`, inputMessage(sales))
    const deliveries = sales.map((one, inputIndex): DeliveredPurchase => ({
      purchase: decodePurchase(one),
      inputSequence,
      inputIndex,
      storedAt: 1_700_000_000_000 + inputSequence
    }))
    for (const [userId, ofUser] of Map.groupBy(deliveries, ({ purchase }) => purchase.userId)) {
      await this.commit(encodeToken(userId), ofUser)
    }
    this.positions[partition] = inputSequence
    await this.write(`position.${partition}`, { version: 1, position: inputSequence })
  }

  private async commit(userToken: string, deliveries: ReadonlyArray<DeliveredPurchase>): Promise<void> {
    const state = this.accounts.get(userToken) ?? { account: emptyAccount(), previous: [], segments: 0, unsealed: 0 }
    this.accounts.set(userToken, state)
    const { account } = state
    const decision = decide(account, deliveries)
    if (isEmpty(decision)) return
    const revision = revisionOf(account, decision)
    if (account.purchaseIds.unsealedSize >= formerSealMin || state.unsealed >= formerSealMin) {
      state.segments += 1
      state.unsealed = 0
      account.purchaseIds.seal()
      await this.write(`seen.${userToken}.${state.segments}`, { version: 1, entries: [], repeats: [] })
    }
    state.unsealed += 1
    const sequence = await this.write(`account.${userToken}`, formerRevision(revision, state))
    state.previous = [sequence, ...state.previous.slice(0, 19)]
    evolve(account, revision, sequence)
    for (const { purchase, inputSequence, inputIndex } of decision.conflicts) {
      await this.write(`rejected.${inputSequence}.${inputIndex}`, {
        version: 1,
        reason: `purchase ${purchase?.purchaseId} was applied before with another content`,
        payload: "{}",
        encoding: "text",
        inputSequence,
        index: inputIndex
      })
    }
  }

  /** Returns every message of the stream of the former layout, in its order. */
  async everything(): Promise<ReadonlyArray<unknown>> {
    const { last_seq: last } = await this.admin.state(formerLedgerStream)
    const all: Array<unknown> = []
    for (let seq = 1; seq <= last; seq += 1) {
      all.push(await this.admin.api(`STREAM.MSG.GET.${formerLedgerStream}`, { seq }))
    }
    return all
  }

  async stop(): Promise<void> {
    await this.admin.close()
    await this.broker.stop()
  }
}
