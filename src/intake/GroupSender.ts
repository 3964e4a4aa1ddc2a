import { Clock, Effect, Exit, type Scope } from "effect"
import type { BrokerFailure } from "../protocol/BrokerError.ts"
import { groupPublished } from "../metrics/Measures.ts"
import { InputLog, type Stored } from "../nats/InputLog.ts"
import { Topology } from "../nats/Topology.ts"
import { type Expected, NoticeInbox, type NoticeListener } from "./NoticeInbox.ts"
import { appendUntilKnown } from "./appendUntilKnown.ts"
import { failureOf } from "../runtime/ExitFailure.ts"
import { type Fork, forkInScope } from "../runtime/ForkInScope.ts"
import { type Traces, TraceSource } from "../runtime/Traces.ts"
import { messageSpans } from "./MessageSpans.ts"
import type { PublishCall } from "./PublishCall.ts"
import type { PublishGroup, PublishLane, WaitingPurchase } from "./PublishLane.ts"
import { PublishPacer } from "./PublishPacer.ts"
import type { WaitingPurchases } from "./WaitingPurchases.ts"

const outcomeOf = (exit: Exit.Exit<Stored, BrokerFailure>) =>
  Exit.isFailure(exit) ? "failed" : exit.value.duplicate ? "repeat" : "stored"

interface SenderServices {
  readonly input: (typeof InputLog)["Service"]
  readonly inbox: (typeof NoticeInbox)["Service"]
  readonly messageBytesMax: number
  readonly clock: Clock.Clock
  readonly traces: Traces | undefined
  /** Runs an effect in its own fiber, until the edge ends. */
  readonly fork: Fork
}

/**
 * Sends waiting purchases to the input log. Each lane has one message in flight. Purchases that come while a message is
 * in flight share the next message. The load of the edge thus sets the size of messages, and each user's purchases stay
 * in order.
 */
export class GroupSender {
  private readonly services: SenderServices
  private readonly waiting: WaitingPurchases
  private readonly pacer: PublishPacer

  constructor(services: SenderServices, waiting: WaitingPurchases) {
    this.services = services
    this.waiting = waiting
    const { clock, fork } = services
    this.pacer = new PublishPacer(
      {
        now: () => clock.currentTimeMillisUnsafe(),
        after: (milliseconds, run) => fork(Effect.andThen(Effect.sleep(milliseconds), () => Effect.sync(run)))
      },
      (lane) => this.send(lane)
    )
  }

  /** Makes a sender that works until the caller's scope closes. */
  static readonly make = Effect.fnUntraced(function* (
    waiting: WaitingPurchases
  ): Effect.fn.Return<GroupSender, never, InputLog | NoticeInbox | Topology | Scope.Scope> {
    const services: SenderServices = {
      input: yield* InputLog,
      inbox: yield* NoticeInbox,
      messageBytesMax: (yield* Topology).messageBytesMax,
      clock: yield* Clock.Clock,
      traces: yield* TraceSource,
      fork: yield* forkInScope()
    }
    return new GroupSender(services, waiting)
  })

  /** Sends the purchases of a call, together with other purchases that wait in their lanes. */
  sendCall(call: PublishCall, notice?: NoticeListener): void {
    this.sendSoon(this.waiting.add(call, notice))
  }

  /** Sends the calls that wait for room, as long as there is room for the next call. */
  sendSubmitted(): void {
    for (let lanes = this.waiting.admitNext(); lanes !== undefined; lanes = this.waiting.admitNext()) {
      this.sendSoon(lanes)
    }
  }

  private sendSoon(lanes: Iterable<PublishLane>): void {
    for (const lane of lanes) this.pacer.publishSoon(lane)
  }

  private send(lane: PublishLane): void {
    const { input, messageBytesMax, clock, fork, traces } = this.services
    lane.isPublishing = true
    const started = clock.currentTimeMillisUnsafe()
    const group = lane.takeGroup(messageBytesMax)
    const expected = this.expectNotices(group.members)
    const spans = traces && messageSpans(traces, group)
    const { subject, messageId, payload } = group
    const append = input.append(subject, messageId, payload, expected?.address, spans?.traceparents)
    // The purchases behind the failed message would each wait for the same unavailable broker, so the edge fails these
    // purchases now.
    const appending = appendUntilKnown(append, (failure) => this.waiting.failLane(lane, failure))
    fork(
      Effect.map(Effect.exit(appending), (exit) => {
        this.settle(lane, group, expected, exit)
        spans?.end(failureOf(exit)?.message)
        const milliseconds = clock.currentTimeMillisUnsafe() - started
        this.pacer.answeredAfter(milliseconds)
        groupPublished(group.members.length, outcomeOf(exit), milliseconds)
        lane.isPublishing = false
        this.pacer.publishSoon(lane)
        this.sendSubmitted()
      })
    )
  }

  private expectNotices(members: ReadonlyArray<WaitingPurchase>): Expected | undefined {
    const listeners = new Map<number, NoticeListener>()
    for (const [index, { notice }] of members.entries()) if (notice !== undefined) listeners.set(index, notice)
    return listeners.size === 0 ? undefined : this.services.inbox.expect(listeners)
  }

  private settle(
    lane: PublishLane,
    { members }: PublishGroup,
    expected: Expected | undefined,
    exit: Exit.Exit<Stored, BrokerFailure>
  ): void {
    if (Exit.isSuccess(exit)) {
      this.waiting.settle(members, (index) => Exit.succeed({ ...exit.value, index }))
      expected?.stored()
      return
    }
    expected?.forget()
    const failed = Exit.failCause(exit.cause)
    this.waiting.settle(members, () => failed)
    const failure = failureOf(exit)
    // The purchases behind the failed message would each wait for the same unavailable broker, so the edge fails these
    // purchases now.
    if (failure?._tag === "BrokerUnavailable") this.waiting.failLane(lane, failure)
  }
}
