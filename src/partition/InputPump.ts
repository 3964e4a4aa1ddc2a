import { Effect, Queue, type Scope } from "effect"
import type { Delivery, ReadDelivery } from "../nats/Delivery.ts"
import { PartitionConsumer } from "../nats/PartitionConsumer.ts"
import type { Pull, PullEvents } from "../nats/PullSession.ts"
import { type Fork, forkInScope } from "../runtime/ForkInScope.ts"
import { TraceSource } from "../runtime/Traces.ts"
import { ApplySpans } from "./ApplySpans.ts"
import type { EpochState } from "./EpochState.ts"
import { HeldInput } from "./HeldInput.ts"
import { InputBudget } from "./InputBudget.ts"

/** The parts of an epoch that the pump of the epoch uses. */
export interface PumpedEpoch {
  readonly partition: number
  readonly epoch: number
  /** The input sequence up to which all purchases of the partition are in commits. */
  readonly position: number
  readonly state: EpochState
}

/**
 * Pulls the input of one epoch in the order of the log, as far as the partition has room. Passes each message of the
 * input log to the dispatcher once and in order. If the number of a delivery is missing, the epoch ends, because the
 * message was lost on its way.
 */
export class InputPump implements PullEvents {
  readonly held: HeldInput
  private readonly state: EpochState
  private readonly budget: InputBudget["Service"]
  private readonly fork: Fork
  /**
   * Delivered messages that the dispatcher has not taken yet. The bounds of the held input limit the number of received
   * messages.
   */
  private readonly received: Queue.Queue<Delivery>
  private readonly spans: ApplySpans | undefined
  private pull: Pull | undefined
  private lastDelivery = 0
  private lastSequence: number
  private committedThrough: number
  private isStopped = false
  /**
   * `true` from the broker's status that the next message is larger than the pull request, until the next message
   * comes.
   */
  private isOversized = false
  /** Ends the pull of one oversized message; `undefined` if no oversized message is requested. */
  private oversizedPulled: (() => void) | undefined

  constructor(
    { state, position }: PumpedEpoch,
    budget: InputBudget["Service"],
    received: Queue.Queue<Delivery>,
    fork: Fork,
    spans: ApplySpans | undefined
  ) {
    this.spans = spans
    this.state = state
    this.budget = budget
    this.received = received
    this.fork = fork
    this.held = new HeldInput(budget.partitionBytes)
    this.lastSequence = position
    this.committedThrough = position
  }

  /** Waits for the next message of the input log, and returns the message. */
  get take(): Effect.Effect<Delivery> {
    return Queue.take(this.received)
  }

  /** Waits until the broker has confirmed all acknowledgements. */
  get confirmed(): Effect.Effect<void> {
    return this.pull?.confirmed ?? Effect.void
  }

  /** Returns for how many milliseconds the broker has sent nothing, although a pull request is in flight. */
  silence(): number {
    return this.pull?.silence() ?? 0
  }

  /** Begins to pull the input of the epoch. */
  begin(pull: Pull): void {
    this.pull = pull
    this.demand()
  }

  /**
   * Stops the pump: the pump takes no further messages. The consumer of the next owner starts behind this epoch's
   * position, and gets the messages that this pump does not take.
   */
  stop(): void {
    this.isStopped = true
  }

  /** Acknowledges wholly committed messages, oldest first, and releases the room of these messages. */
  committed(deliveries: ReadonlyArray<ReadDelivery>): void {
    for (const delivery of deliveries) {
      this.committedThrough = delivery.sequence
      this.spans?.committed(delivery.sequence)
      this.pull?.acknowledge(delivery)
      this.held.release(delivery.bytes)
    }
  }

  /** Makes a pull request for as much input as the partition has room for. */
  demand(): void {
    if (!this.isTaking || this.isOversized || this.pull === undefined) return
    const wanted = this.held.wanted(this.pull.outstanding())
    if (wanted !== undefined) this.pull.request(wanted.messages, wanted.bytes)
  }

  delivered(delivery: Delivery): void {
    if (!this.isTaking) return
    if (delivery.deliverySequence !== this.lastDelivery + 1) {
      const reason = `delivery ${delivery.deliverySequence} came after ${this.lastDelivery}: the ones between were lost`
      return this.state.fail(reason)
    }
    this.lastDelivery = delivery.deliverySequence
    // The broker delivers a message again if the acknowledgement of the message is slow or lost.
    if (delivery.sequence <= this.lastSequence) {
      if (delivery.sequence <= this.committedThrough) this.pull?.acknowledge(delivery)
      return
    }
    this.lastSequence = delivery.sequence
    this.held.take(delivery.bytes)
    this.spans?.delivered(delivery)
    Queue.offerUnsafe(this.received, delivery)
    this.endOversized()
  }

  ended(): void {
    this.endOversized()
    this.demand()
  }

  /**
   * Makes a pull request for one message of any size. Before that, waits while too many partitions of the worker have
   * requested a message of any size.
   */
  oversized(): void {
    this.endOversized()
    if (this.isOversized || !this.isTaking) return
    this.isOversized = true
    const pulled = Effect.callback<void>((resume) => {
      this.oversizedPulled = () => resume(Effect.void)
      this.pull?.request(1, this.budget.messageBytes)
    })
    const goOn = () => {
      this.oversizedPulled = undefined
      this.isOversized = false
      this.demand()
    }
    this.fork(Effect.map(this.budget.oversized(pulled), goOn))
  }

  lost(reason: string): void {
    this.state.fail(`the consumer is gone: ${reason}`)
  }

  private get isTaking(): boolean {
    return !this.isStopped && this.state.isOpen()
  }

  private endOversized(): void {
    if (this.pull?.outstanding().messages === 0) this.oversizedPulled?.()
  }
}

/**
 * Opens the pump of an epoch whose consumer exists. The pump pulls from the call of `begin` on, until the caller's
 * scope closes.
 */
export const openInputPump = (
  epoch: PumpedEpoch
): Effect.Effect<
  { readonly pump: InputPump; readonly begin: Effect.Effect<void, never, Scope.Scope> },
  never,
  InputBudget | PartitionConsumer | Scope.Scope
> =>
  Effect.gen(function* () {
    const budget = yield* InputBudget
    const consumers = yield* PartitionConsumer
    const fork = yield* forkInScope()
    const received = yield* Queue.unbounded<Delivery>()
    const traces = yield* TraceSource
    const spans = traces && new ApplySpans(traces, epoch.partition)
    const pump = new InputPump(epoch, budget, received, fork, spans)
    const begin = Effect.map(consumers.pull(epoch.partition, epoch.epoch, pump), (pull) => pump.begin(pull))
    return { pump, begin }
  })
