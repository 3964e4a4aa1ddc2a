import { createHash } from "node:crypto"
import { Clock, Context, Effect, Exit, Layer, Option, Schema } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import { contentFingerprint, type Purchase } from "../domain/Purchase.ts"
import { encodePurchases, encodePurchaseText, messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import { encodeToken, groupSubject, partitionOf, purchaseSubject } from "../domain/Subject.ts"
import { InputLog, type Stored } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"

/** The most purchases that wait at an edge to be stored; above it a purchase is refused. */
export const purchasesWaitingMax = 20_000
/** A message whose outcome is unknown is sent again, with the same id, for this long. */
const publishWaitMilliseconds = 5_000
/** An edge without a broker says so after this long. */
const disconnectedWaitMilliseconds = 1_000
const retryWaitMilliseconds = 50

/** The edge holds as many purchases as it may. Nothing was stored; send it again in a moment. */
export class EdgeOverloaded extends Schema.TaggedError<EdgeOverloaded>()("EdgeOverloaded", {}) {
  override get message() {
    return `${purchasesWaitingMax} purchases wait to be stored already`
  }
}

export type PublishFailure = BrokerFailure | EdgeOverloaded

/** Where the input log has a purchase. */
export interface Published extends Stored {
  /** Its place in the message. */
  readonly index: number
}

export type PublishResult = Exit.Exit<Published, PublishFailure>

interface Waiting {
  readonly userToken: string
  readonly purchase: Purchase
  readonly text: string
  readonly isDistinct: boolean
  readonly settle: (result: PublishResult) => void
}

interface Lane {
  readonly partition: number
  waiting: Array<Waiting>
  isPublishing: boolean
}

interface Group {
  readonly subject: string
  readonly messageId: string
  readonly payload: string
}

// Around the purchases of a message: the version, the brackets, and a comma each.
const frameBytes = 64

/** Takes the next group from the front of a lane, as many as fit into one message. */
const takeGroup = (lane: Lane, bytesMax: number): Array<Waiting> => {
  let bytes = frameBytes
  let count = 0
  for (const { text } of lane.waiting) {
    bytes += Buffer.byteLength(text) + 1
    if (count > 0 && (bytes > bytesMax || count === messagePurchasesMax)) break
    count += 1
  }
  return lane.waiting.splice(0, count)
}

/**
 * The message of a group. Its id names the content, so that the broker drops the same again: a lone purchase by its
 * own id and fingerprint, a group by a digest. Where every copy has to be stored, the id is one of its own.
 */
const messageOf = (partition: number, group: ReadonlyArray<Waiting>, uniqueId: () => string): Group => {
  const payload = encodePurchases(group.map(({ text }) => text))
  const isDistinct = group.some((waiting) => waiting.isDistinct)
  const only = group.length === 1 ? group[0] : undefined
  const subject = only === undefined ? groupSubject(partition) : purchaseSubject(partition, only.userToken)
  if (isDistinct) return { subject, messageId: uniqueId(), payload }
  if (only === undefined) {
    return { subject, messageId: createHash("sha256").update(payload).digest("base64url"), payload }
  }
  const { purchaseId } = only.purchase
  const messageId = `${only.userToken}.${encodeToken(purchaseId)}.${contentFingerprint(only.purchase).toString(36)}`
  return { subject, messageId, payload }
}

/**
 * Stores purchases in the input log. It has one message in flight a partition; what comes meanwhile for that partition
 * goes out together as the next, so that the load sets the size of the groups, and each user's order is kept.
 */
export class PurchasePublisher extends Context.Service<
  PurchasePublisher,
  {
    /**
     * Stores purchases and answers a result for each, in their order. `isDistinct` has each copy stored, also of what
     * is the same.
     */
    readonly publish: (
      purchases: ReadonlyArray<Purchase>,
      options?: { readonly isDistinct: boolean }
    ) => Effect.Effect<ReadonlyArray<PublishResult>>
    /** How many purchases wait to be stored. */
    readonly waiting: () => number
  }
>()("purchases/edge/PurchasePublisher") {
  static readonly layer = Layer.effect(
    PurchasePublisher,
    Effect.gen(function* () {
      const input = yield* InputLog
      const { partitions, messageBytesMax } = yield* Topology
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const lanes = Array.from({ length: partitions }, (_, partition): Lane => ({
        partition,
        waiting: [],
        isPublishing: false
      }))
      let waitingCount = 0

      const append = Effect.fnUntraced(function* (group: Group): Effect.fn.Return<Stored, BrokerFailure> {
        const started = clock.currentTimeMillisUnsafe()
        let unknown: BrokerFailure | undefined
        while (true) {
          const exit = yield* Effect.exit(input.append(group.subject, group.messageId, group.payload))
          if (Exit.isSuccess(exit)) return exit.value
          const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (failure === undefined) return yield* Effect.failCause(exit.cause)
          if (failure._tag === "OutcomeUnknown") unknown = failure
          // A message that may be on its way makes every later failure an unknown outcome.
          const waitMax = unknown === undefined ? disconnectedWaitMilliseconds : publishWaitMilliseconds
          const isOver = clock.currentTimeMillisUnsafe() - started >= waitMax
          if (failure._tag === "BrokerRefused" || isOver) return yield* Effect.fail(unknown ?? failure)
          yield* Effect.sleep(retryWaitMilliseconds)
        }
      })

      const settleAll = (group: ReadonlyArray<Waiting>, result: (index: number) => PublishResult) => {
        waitingCount -= group.length
        for (const [index, waiting] of group.entries()) waiting.settle(result(index))
      }

      const publishNext = (lane: Lane) => {
        if (lane.isPublishing || lane.waiting.length === 0) return
        lane.isPublishing = true
        const group = takeGroup(lane, messageBytesMax)
        const publishing = Effect.exit(append(messageOf(lane.partition, group, () => crypto.randomUUID()))).pipe(
          Effect.map((exit) => {
            if (Exit.isSuccess(exit)) settleAll(group, (index) => Exit.succeed({ ...exit.value, index }))
            else {
              const failed = Exit.failCause(exit.cause)
              settleAll(group, () => failed)
              // Those behind it would wait for the same broker one after the other.
              if (Option.getOrUndefined(Exit.findErrorOption(exit))?._tag === "BrokerUnavailable") {
                settleAll(lane.waiting.splice(0), () => failed)
              }
            }
            lane.isPublishing = false
            publishNext(lane)
          })
        )
        run(Effect.forkIn(publishing, scope))
      }

      const publish = (purchases: ReadonlyArray<Purchase>, options?: { readonly isDistinct: boolean }) =>
        Effect.callback<ReadonlyArray<PublishResult>>((resume) => {
          const results: Array<PublishResult> = []
          if (waitingCount + purchases.length > purchasesWaitingMax) {
            return resume(Effect.succeed(purchases.map(() => Exit.fail(new EdgeOverloaded()))))
          }
          let open = purchases.length
          waitingCount += open
          const touched = new Set<Lane>()
          for (const [index, purchase] of purchases.entries()) {
            const userToken = encodeToken(purchase.userId)
            const lane = lanes[partitionOf(userToken, partitions)]
            if (lane === undefined) continue
            touched.add(lane)
            lane.waiting.push({
              userToken,
              purchase,
              text: encodePurchaseText(purchase),
              isDistinct: options?.isDistinct === true,
              settle: (result) => {
                results[index] = result
                open -= 1
                if (open === 0) resume(Effect.succeed(results))
              }
            })
          }
          for (const lane of touched) publishNext(lane)
        })

      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          const closed = Exit.fail(new BrokerUnavailable({ operation: "append", reason: "the edge is stopping" }))
          for (const lane of lanes) settleAll(lane.waiting.splice(0), () => closed)
        })
      )

      return PurchasePublisher.of({ publish, waiting: () => waitingCount })
    })
  )
}
