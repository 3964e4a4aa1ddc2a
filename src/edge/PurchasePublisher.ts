import { createHash } from "node:crypto"
import { Clock, Context, Deferred, Effect, Exit, Layer, Option, Schema } from "effect"
import { type BrokerFailure, BrokerUnavailable } from "../domain/BrokerError.ts"
import type { Cents } from "../domain/Money.ts"
import { paceOf } from "../domain/Pace.ts"
import { contentFingerprint, type Purchase } from "../domain/Purchase.ts"
import { encodePurchases, encodePurchaseText, messagePurchasesMax } from "../domain/PurchaseMessage.ts"
import { encodeToken, groupSubject, partitionOf, purchaseSubject } from "../domain/Subject.ts"
import { groupPublished } from "../metrics/Measures.ts"
import { InputLog, type Stored } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"
import { type Expected, NoticeInbox, type NoticeListener } from "../query/NoticeInbox.ts"

/** The most purchases that wait at an edge to be stored; above it a purchase is refused. */
export const purchasesWaitingMax = 20_000
/** How many of these may come from streams, which wait for room, so that single ones find some. */
export const streamedWaitingMax = 10_000
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

/** Purchases that came together, and what became of them so far. */
interface Call {
  readonly purchases: ReadonlyArray<Purchase>
  readonly storeEveryCopy: boolean
  readonly results: Array<PublishResult>
  open: number
  readonly done: (results: ReadonlyArray<PublishResult>) => void
}

interface Waiting {
  readonly userToken: string
  readonly purchase: Purchase
  readonly call: Call
  /** Its place in the call. */
  readonly place: number
  /** Waits for the notice that it is applied. */
  readonly notice: NoticeListener | undefined
}

/** A call that waits for room. */
interface Submission {
  readonly call: Call
  readonly admitted: () => void
}

interface Lane {
  readonly partition: number
  waiting: Array<Waiting>
  isPublishing: boolean
}

interface Group {
  readonly members: ReadonlyArray<Waiting>
  readonly subject: string
  readonly messageId: string
  readonly payload: string
}

const outcomeOf = (exit: Exit.Exit<Stored, BrokerFailure>) =>
  Exit.isFailure(exit) ? "failed" : exit.value.duplicate ? "repeat" : "stored"

// Around the purchases of a message: the version, the brackets, and a comma each.
const frameBytes = 64
// UTF-8 has at most three bytes for a unit of a text; to count them exactly costs as much as all else of a purchase.
const unitBytesMax = 3

/** Takes the next purchases from the front of a lane, as many as surely fit into one message, and their texts. */
const takeNext = (lane: Lane, bytesMax: number) => {
  const texts: Array<string> = []
  let bytes = frameBytes
  for (const { purchase } of lane.waiting) {
    const text = encodePurchaseText(purchase)
    bytes += (text.length + 1) * unitBytesMax
    if (texts.length > 0 && (bytes > bytesMax || texts.length === messagePurchasesMax)) break
    texts.push(text)
  }
  return { members: lane.waiting.splice(0, texts.length), payload: encodePurchases(texts) }
}

/**
 * The next message of a lane. Its id names the content, so that the broker drops the same again: a lone purchase by
 * its own id and fingerprint, a group by a digest. Where every copy has to be stored, the id is one of its own.
 */
const takeGroup = (lane: Lane, bytesMax: number, uniqueId: () => string): Group => {
  const { members, payload } = takeNext(lane, bytesMax)
  const storeEveryCopy = members.some(({ call }) => call.storeEveryCopy)
  const only = members.length === 1 ? members[0] : undefined
  const subject = only === undefined ? groupSubject(lane.partition) : purchaseSubject(lane.partition, only.userToken)
  if (storeEveryCopy) return { members, subject, messageId: uniqueId(), payload }
  if (only === undefined) {
    return { members, subject, messageId: createHash("sha256").update(payload).digest("base64url"), payload }
  }
  const { purchaseId } = only.purchase
  const messageId = `${only.userToken}.${encodeToken(purchaseId)}.${contentFingerprint(only.purchase).toString(36)}`
  return { members, subject, messageId, payload }
}

/**
 * Stores purchases in the input log. It has one message in flight a partition; what comes meanwhile for that partition
 * goes out together as the next, so that the load sets the size of the groups, and each user's order is kept.
 */
export class PurchasePublisher extends Context.Service<
  PurchasePublisher,
  {
    /**
     * Stores purchases and answers a result for each, in their order. `storeEveryCopy` has each copy stored, also of what
     * is the same.
     */
    readonly publish: (
      purchases: ReadonlyArray<Purchase>,
      options?: { readonly storeEveryCopy: boolean }
    ) => Effect.Effect<ReadonlyArray<PublishResult>>
    /** Stores a purchase, and waits until it is applied or, when no notice of that comes, only stored. */
    readonly publishAwaited: (purchase: Purchase) => Effect.Effect<PublishedOutcome, PublishFailure>
    /**
     * The same for a stream of purchases: it waits for room, takes calls in their order, and succeeds with the wait for
     * the results as soon as the purchases have their places.
     */
    readonly submit: (purchases: ReadonlyArray<Purchase>) => Effect.Effect<Effect.Effect<ReadonlyArray<PublishResult>>>
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

      const submissions: Array<Submission> = []

      const settleAll = (group: ReadonlyArray<Waiting>, result: (index: number) => PublishResult) => {
        waitingCount -= group.length
        for (const [index, { call, place }] of group.entries()) {
          call.results[place] = result(index)
          call.open -= 1
          if (call.open === 0) call.done(call.results)
        }
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
        const group = takeGroup(lane, messageBytesMax, () => crypto.randomUUID())
        const expected = expectNotices(group.members)
        const publishing = Effect.exit(append(lane, group, expected?.address)).pipe(
          Effect.map((exit) => {
            if (Exit.isSuccess(exit)) {
              settleAll(group.members, (index) => Exit.succeed({ ...exit.value, index }))
              expected?.stored()
            } else {
              expected?.forget()
              const failed = Exit.failCause(exit.cause)
              settleAll(group.members, () => failed)
              // Those behind it would wait for the same broker one after the other.
              if (Option.getOrUndefined(Exit.findErrorOption(exit))?._tag === "BrokerUnavailable") {
                settleAll(lane.waiting.splice(0), () => failed)
              }
            }
            answeredAfter = clock.currentTimeMillisUnsafe() - started
            groupPublished(group.members.length, outcomeOf(exit), answeredAfter)
            lane.isPublishing = false
            publishSoon(lane)
            admitNext()
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

      const callOf = (purchases: ReadonlyArray<Purchase>, storeEveryCopy: boolean, done: Call["done"]): Call => ({
        purchases,
        storeEveryCopy,
        results: [],
        open: purchases.length,
        done
      })

      const admit = (call: Call, notice?: NoticeListener) => {
        waitingCount += call.purchases.length
        const touched = new Set<Lane>()
        for (const [place, purchase] of call.purchases.entries()) {
          const userToken = encodeToken(purchase.userId)
          const lane = lanes[partitionOf(userToken, partitions)]
          if (lane === undefined) throw new Error("a partition is below the number of partitions")
          touched.add(lane)
          lane.waiting.push({ userToken, purchase, call, place, notice })
        }
        for (const lane of touched) publishSoon(lane)
      }

      const admitNext = () => {
        for (let next = submissions[0]; next !== undefined; next = submissions[0]) {
          if (waitingCount + next.call.purchases.length > streamedWaitingMax) return
          submissions.shift()
          admit(next.call)
          next.admitted()
        }
      }

      const publish = (purchases: ReadonlyArray<Purchase>, options?: { readonly storeEveryCopy: boolean }) =>
        Effect.callback<ReadonlyArray<PublishResult>>((resume) => {
          if (waitingCount + purchases.length > purchasesWaitingMax) {
            return resume(Effect.succeed(purchases.map(() => Exit.fail(new EdgeOverloaded()))))
          }
          admit(callOf(purchases, options?.storeEveryCopy === true, (results) => resume(Effect.succeed(results))))
        })

      const submit = (purchases: ReadonlyArray<Purchase>) =>
        Effect.callback<Effect.Effect<ReadonlyArray<PublishResult>>>((resume) => {
          if (purchases.length === 0) return resume(Effect.succeed(Effect.succeed([])))
          const settled = Deferred.makeUnsafe<ReadonlyArray<PublishResult>>()
          const submission: Submission = {
            call: callOf(purchases, false, (results) => Deferred.doneUnsafe(settled, Exit.succeed(results))),
            admitted: () => resume(Effect.succeed(Deferred.await(settled)))
          }
          submissions.push(submission)
          admitNext()
          return Effect.sync(() => {
            const place = submissions.indexOf(submission)
            if (place >= 0) submissions.splice(place, 1)
          })
        })

      const publishAwaited = (purchase: Purchase) =>
        Effect.callback<PublishedOutcome, PublishFailure>((resume) => {
          if (waitingCount >= purchasesWaitingMax) return resume(Effect.fail(new EdgeOverloaded()))
          let published: Published | undefined
          const ask = () => {
            if (published !== undefined) resume(Effect.succeed({ kind: "stored", published }))
          }
          const call = callOf([purchase], false, ([result]) => {
            if (result === undefined) return
            if (Exit.isFailure(result)) return resume(Effect.failCause(result.cause))
            published = result.value
            // The notice of the first message with this id went to whoever sent that.
            if (published.duplicate) ask()
          })
          admit(call, {
            applied: (totalAfter) => resume(Effect.succeed({ kind: "applied", totalAfter })),
            missed: ask
          })
        })

      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          const closed = Exit.fail(
            new BrokerUnavailable({ operation: "store purchases", reason: "the edge is stopping" })
          )
          for (const lane of lanes) settleAll(lane.waiting.splice(0), () => closed)
          for (const { call, admitted } of submissions.splice(0)) {
            call.done(call.purchases.map(() => closed))
            admitted()
          }
        })
      )

      return PurchasePublisher.of({ publish, publishAwaited, submit, waiting: () => waitingCount })
    })
  )
}
