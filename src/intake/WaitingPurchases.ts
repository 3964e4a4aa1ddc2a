import { Exit } from "effect"
import { encodeToken, partitionOf } from "../protocol/Subject.ts"
import type { NoticeListener } from "./NoticeInbox.ts"
import type { PublishCall } from "./PublishCall.ts"
import { PublishLane, type WaitingPurchase } from "./PublishLane.ts"
import type { PublishFailure, PublishResult } from "./PublishResult.ts"

/**
 * The number of waiting purchases up to which an edge has room for bodies of lines. Above {@link streamedWaitingMax},
 * bodies of lines wait, and the edge has room only for purchases of other requests.
 */
export const streamedWaitingMax = 10_000

/** A call with purchases of a body of lines. A call of a body of lines waits for room at the edge. */
export interface Submission {
  readonly call: PublishCall
  /** Called once, when the edge has room for the purchases, or when the edge will never have room because it stops. */
  readonly admitted: () => void
}

/**
 * The purchases of an edge whose results are not known yet, in a lane for each partition. Calls with purchases of
 * bodies of lines wait in the order in which they came, until the lanes have room.
 */
export class WaitingPurchases {
  private readonly lanes: ReadonlyArray<PublishLane>
  private readonly submissions: Array<Submission> = []
  private held = 0

  constructor(partitions: number) {
    this.lanes = Array.from({ length: partitions }, (_, partition) => new PublishLane(partition))
  }

  /** The number of purchases in lanes or in flight to the broker. */
  get count(): number {
    return this.held
  }

  /** Puts the purchases of a call into their lanes, and returns these lanes. */
  add(call: PublishCall, notice?: NoticeListener): ReadonlySet<PublishLane> {
    this.held += call.purchases.length
    const touched = new Set<PublishLane>()
    for (const [index, request] of call.purchases.entries()) {
      const userToken = encodeToken(request.userId)
      const lane = this.laneOf(userToken)
      touched.add(lane)
      lane.push({ userToken, request, call, index, notice })
    }
    return touched
  }

  /**
   * Lets a call with purchases of a body of lines wait until the lanes have room. Returns a function that withdraws the
   * call if it still waits.
   */
  submit(submission: Submission): () => void {
    this.submissions.push(submission)
    return () => {
      const index = this.submissions.indexOf(submission)
      if (index >= 0) this.submissions.splice(index, 1)
    }
  }

  /**
   * Puts the purchases of the next waiting call into their lanes, and returns these lanes. Returns `undefined` if no
   * call waits, or if the lanes have no room for its purchases.
   */
  admitNext(): ReadonlySet<PublishLane> | undefined {
    const next = this.submissions[0]
    if (next === undefined || this.held + next.call.purchases.length > streamedWaitingMax) return undefined
    this.submissions.shift()
    const touched = this.add(next.call)
    next.admitted()
    return touched
  }

  /**
   * Gives each purchase of a message its result. `resultAt` returns the result of a purchase, given its index in the
   * message.
   */
  settle(members: ReadonlyArray<WaitingPurchase>, resultAt: (index: number) => PublishResult): void {
    this.held -= members.length
    for (const [index, member] of members.entries()) member.call.settle(member.index, resultAt(index))
  }

  /** Fails all purchases that wait in a lane. */
  failLane(lane: PublishLane, failure: PublishFailure): void {
    const failed = Exit.fail(failure)
    this.settle(lane.takeAll(), () => failed)
  }

  /** Fails all purchases that wait in lanes, and all calls that wait for room. */
  failAll(failure: PublishFailure): void {
    for (const lane of this.lanes) this.failLane(lane, failure)
    for (const { call, admitted } of this.submissions.splice(0)) {
      call.settleAll(Exit.fail(failure))
      admitted()
    }
  }

  private laneOf(userToken: string): PublishLane {
    const lane = this.lanes[partitionOf(userToken, this.lanes.length)]
    if (lane === undefined) throw new Error("a partition is below the number of partitions")
    return lane
  }
}
