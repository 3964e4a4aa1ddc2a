import { createHash } from "node:crypto"
import { Clock, Context, Effect, Exit, Layer, Option, Schema } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import type { Cents } from "../domain/Money.ts"
import { paceOf } from "../domain/Pace.ts"
import { contentFingerprint, type Purchase } from "../domain/Purchase.ts"
import { encodePurchases, encodePurchaseText, messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import { encodeToken, groupSubject, partitionOf, purchaseSubject } from "../domain/Subject.ts"
import { InputLog, type Stored } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"
import { type Expected, NoticeInbox, type NoticeListener } from "../query/NoticeInbox.ts"

/** The most purchases that wait at an edge to be stored; above it a purchase is refused. */
export const purchasesWaitingMax = 20_000
/** A message is sent again, with the same id, for this long while a leader is elected, which takes up to 9 s. */
const electionWaitMilliseconds = 10_000
/** A message whose outcome is unknown is sent again for this long when the broker is gone after it. */
const publishWaitMilliseconds = 5_000
/** An edge without a broker says so after this long. */
const disconnectedWaitMilliseconds = 1_000
const retryWaitMilliseconds = 50
/**
 * Messages of all partitions leave together, at a pace: what it costs to wake up the broker and the workers is then
 * shared by what came meanwhile. A purchase that comes alone leaves at once, and a partition for which so many
 * purchases wait does not wait for the others.
 */
export const publishAtOncePurchases = 100

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

/** How a purchase came out that was waited for; when nobody said in time that it is applied, its owner can be asked. */
export type PublishedOutcome =
  | { readonly kind: "applied"; readonly totalAfter: Cents }
  | { readonly kind: "stored"; readonly published: Published }

interface Waiting {
  readonly userToken: string
  readonly purchase: Purchase
  readonly text: string
  readonly isDistinct: boolean
  readonly settle: (result: PublishResult) => void
  /** Waits for the notice that it is applied. */
  readonly notice?: NoticeListener
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
    /** Stores a purchase, and waits until it is applied or, when no notice of that comes, only stored. */
    readonly publishAwaited: (purchase: Purchase) => Effect.Effect<PublishedOutcome, PublishFailure>
    /** How many purchases wait to be stored. */
    readonly waiting: () => number
  }
>()("purchases/edge/PurchasePublisher") {
  static readonly layer = Layer.effect(
    PurchasePublisher,
    Effect.gen(function* () {
      const input = yield* InputLog
      const inbox = yield* NoticeInbox
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
      const due = new Set<Lane>()
      let publishedAt = Number.NEGATIVE_INFINITY
      let answeredAfter = 0
      let isScheduled = false

      const append = Effect.fnUntraced(function* (
        lane: Lane,
        group: Group,
        noticeTo: string | undefined
      ): Effect.fn.Return<Stored, BrokerFailure> {
        const started = clock.currentTimeMillisUnsafe()
        let unknown: BrokerFailure | undefined
        while (true) {
          const exit = yield* Effect.exit(input.append(group.subject, group.messageId, group.payload, noticeTo))
          if (Exit.isSuccess(exit)) return exit.value
          const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (failure === undefined) return yield* Effect.failCause(exit.cause)
          if (failure._tag === "OutcomeUnknown") unknown = failure
          const waited = clock.currentTimeMillisUnsafe() - started
          const isGone = failure._tag === "BrokerUnavailable" && failure.unserved !== true
          // Those behind it would wait for the same broker.
          if (isGone && waited >= disconnectedWaitMilliseconds)
            settleAll(lane.waiting.splice(0), () => Exit.fail(failure))
          // A message that may be on its way makes every later failure an unknown outcome.
          const goneWait = unknown === undefined ? disconnectedWaitMilliseconds : publishWaitMilliseconds
          const isOver = waited >= (isGone ? goneWait : electionWaitMilliseconds)
          if (failure._tag === "BrokerRefused" || isOver) return yield* Effect.fail(unknown ?? failure)
          yield* Effect.sleep(retryWaitMilliseconds)
        }
      })

      const settleAll = (group: ReadonlyArray<Waiting>, result: (index: number) => PublishResult) => {
        waitingCount -= group.length
        for (const [index, waiting] of group.entries()) waiting.settle(result(index))
      }

      const expectNotices = (group: ReadonlyArray<Waiting>): Expected | undefined => {
        const listeners = new Map<number, NoticeListener>()
        for (const [index, { notice }] of group.entries()) if (notice !== undefined) listeners.set(index, notice)
        return listeners.size === 0 ? undefined : inbox.expect(listeners)
      }

      const publishNext = (lane: Lane) => {
        if (lane.isPublishing || lane.waiting.length === 0) return
        lane.isPublishing = true
        const started = clock.currentTimeMillisUnsafe()
        const group = takeGroup(lane, messageBytesMax)
        const expected = expectNotices(group)
        const message = messageOf(lane.partition, group, () => crypto.randomUUID())
        const publishing = Effect.exit(append(lane, message, expected?.address)).pipe(
          Effect.map((exit) => {
            if (Exit.isSuccess(exit)) {
              settleAll(group, (index) => Exit.succeed({ ...exit.value, index }))
              expected?.stored()
            } else {
              expected?.forget()
              const failed = Exit.failCause(exit.cause)
              settleAll(group, () => failed)
              // Those behind it would wait for the same broker one after the other.
              if (Option.getOrUndefined(Exit.findErrorOption(exit))?._tag === "BrokerUnavailable") {
                settleAll(lane.waiting.splice(0), () => failed)
              }
            }
            answeredAfter = clock.currentTimeMillisUnsafe() - started
            lane.isPublishing = false
            publishSoon(lane)
          })
        )
        run(Effect.forkIn(publishing, scope))
      }

      const publishDue = () => {
        publishedAt = clock.currentTimeMillisUnsafe()
        for (const lane of due) publishNext(lane)
        due.clear()
      }

      const publishSoon = (lane: Lane) => {
        if (lane.isPublishing || lane.waiting.length === 0) return
        if (lane.waiting.length >= publishAtOncePurchases) return publishNext(lane)
        due.add(lane)
        if (isScheduled) return
        const rest = publishedAt + paceOf(answeredAfter) - clock.currentTimeMillisUnsafe()
        if (rest <= 0) return publishDue()
        isScheduled = true
        run(
          Effect.forkIn(
            Effect.andThen(Effect.sleep(rest), () =>
              Effect.sync(() => {
                isScheduled = false
                publishDue()
              })
            ),
            scope
          )
        )
      }

      const enqueue = (purchase: Purchase, waiting: Pick<Waiting, "isDistinct" | "settle" | "notice">): Lane => {
        const userToken = encodeToken(purchase.userId)
        const lane = lanes[partitionOf(userToken, partitions)]
        if (lane === undefined) throw new Error("a partition is below the number of partitions")
        lane.waiting.push({ userToken, purchase, text: encodePurchaseText(purchase), ...waiting })
        waitingCount += 1
        return lane
      }

      const publish = (purchases: ReadonlyArray<Purchase>, options?: { readonly isDistinct: boolean }) =>
        Effect.callback<ReadonlyArray<PublishResult>>((resume) => {
          const results: Array<PublishResult> = []
          if (waitingCount + purchases.length > purchasesWaitingMax) {
            return resume(Effect.succeed(purchases.map(() => Exit.fail(new EdgeOverloaded()))))
          }
          let open = purchases.length
          const touched = new Set<Lane>()
          for (const [index, purchase] of purchases.entries()) {
            const lane = enqueue(purchase, {
              isDistinct: options?.isDistinct === true,
              settle: (result) => {
                results[index] = result
                open -= 1
                if (open === 0) resume(Effect.succeed(results))
              }
            })
            touched.add(lane)
          }
          for (const lane of touched) publishSoon(lane)
        })

      const publishAwaited = (purchase: Purchase) =>
        Effect.callback<PublishedOutcome, PublishFailure>((resume) => {
          if (waitingCount >= purchasesWaitingMax) return resume(Effect.fail(new EdgeOverloaded()))
          let published: Published | undefined
          const ask = () => {
            if (published !== undefined) resume(Effect.succeed({ kind: "stored", published }))
          }
          const lane = enqueue(purchase, {
            isDistinct: false,
            settle: (result) => {
              if (Exit.isFailure(result)) return resume(Effect.failCause(result.cause))
              published = result.value
              // The notice of the first message with this id went to whoever sent that.
              if (published.duplicate) ask()
            },
            notice: {
              applied: (totalAfter) => resume(Effect.succeed({ kind: "applied", totalAfter })),
              missed: ask
            }
          })
          publishSoon(lane)
        })

      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          const closed = Exit.fail(new BrokerUnavailable({ operation: "append", reason: "the edge is stopping" }))
          for (const lane of lanes) settleAll(lane.waiting.splice(0), () => closed)
        })
      )

      return PurchasePublisher.of({ publish, publishAwaited, waiting: () => waitingCount })
    })
  )
}
