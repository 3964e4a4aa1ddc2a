import type { Decimal } from "./Amount.ts"

/** What callers send. Without a purchaseId the client makes one, so that it can send the purchase again. */
export interface NewPurchase {
  readonly purchaseId?: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  /** The price of a piece: an exact decimal, or integer cents. */
  readonly value: Decimal | bigint
  readonly quantity: number
}

export interface PurchaseContent {
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly value: Decimal
  readonly quantity: number
  readonly total: Decimal
}

/** It is on the broker's disk, and will be applied. */
export interface StoredPurchase extends PurchaseContent {
  readonly status: "stored"
}

export interface AppliedPurchase extends PurchaseContent {
  readonly status: "applied"
  readonly runningTotal: Decimal
  readonly currency: "USD"
}

/** What became of a purchase that was posted. */
export type PostedPurchase = (StoredPurchase | AppliedPurchase) & {
  /** The same purchase was known before; also where an attempt before this one stored it and its answer was lost. */
  readonly repeat?: true
}

export interface HistoryEntry extends PurchaseContent {
  /** The account numbers its purchases 1, 2, 3, … as it applies them. */
  readonly number: number
  readonly runningTotal: Decimal
  readonly storedAt: string
}

export interface PurchaseReceipt extends AppliedPurchase {
  readonly number: number
  readonly storedAt: string
  readonly appliedAt: string
  readonly inputSequence: number
  readonly ledgerSequence: number
  /** How often it came again, past the broker's duplicate window. */
  readonly repeatsDropped: number
  /** How often its id came with another content. */
  readonly conflictsRejected: number
}

export interface Account {
  readonly userId: string
  readonly total: Decimal
  readonly currency: "USD"
  readonly purchaseCount: number
}

/** An account that was asked for. */
export interface AskedAccount extends Account {
  /** Whether a purchase of this user was ever applied; false where the id was never seen. */
  readonly known: boolean
}

/** An account's total, of now or of another time. */
export interface AccountTotal extends AskedAccount {
  /** The time that was asked for; none where it is now. */
  readonly at?: string
}

export interface HistoryPage extends AskedAccount {
  readonly purchases: ReadonlyArray<HistoryEntry>
  /** The path of the next page; none on the last. */
  readonly next?: string
}

export interface Generated {
  readonly userId: string
  readonly purchasesGenerated: number
  readonly status: "success"
}

export interface Duplicated {
  readonly userId: string
  readonly purchaseId: string
  readonly duplicatesSent: number
  readonly status: "success"
  readonly note: string
}

/** The body of every problem, after RFC 9457. */
export interface ProblemBody {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
}

/** What one commit did to an account, as a feed tells it; oldest purchase first. */
export interface AppliedRevision extends Account {
  readonly purchases: ReadonlyArray<HistoryEntry>
  readonly repeats: ReadonlyArray<{
    readonly purchaseId: string
    readonly repeatsDropped: number
    readonly conflictsRejected: number
  }>
  readonly appliedAt: string
}

/** Names what could not be applied: the message of the input log that brought it, and its place in there, from 0. */
export interface RejectedPlace {
  readonly inputSequence: number
  readonly index: number
}

/** What could not be applied, as a page lists it: of a long payload it has the beginning. */
export interface RejectedListed extends RejectedPlace {
  readonly reason: string
  readonly rejectedAt: string
  readonly encoding: "text" | "base64"
  /** Of the whole payload, in characters. */
  readonly payloadLength: number
  readonly payload: string
  /** How far its replay has come; `conflicting` waits for another purchaseId. */
  readonly replay: "none" | ReplayState
}

export type ReplayState = "begun" | "stored" | "applied" | "conflicting"

/** One step of what was done about it. */
export interface ReplayStep {
  readonly state: ReplayState
  readonly at: string
  readonly inputSequence?: number
  readonly purchase: PurchaseContent
  /** The path of the receipt, once it is applied. */
  readonly receipt: string
}

/** What could not be applied, whole, with what was done when, oldest first. */
export interface RejectedRecord extends RejectedListed {
  readonly trail: ReadonlyArray<ReplayStep>
}

export interface RejectedPage {
  readonly rejected: ReadonlyArray<RejectedListed>
  /** The path of the next page; none on the last. */
  readonly next?: string
}

export interface PartitionStatus {
  readonly partition: number
  /** Messages of up to 500 purchases that are not applied; not known where no worker has read it for some minutes. */
  readonly waitingMessages?: number
  /** The worker that took it last; missing where none ever did. */
  readonly owner?: string
  /** Why its purchases are not applied now, for people; missing where they are. */
  readonly notApplied?: string
}

/** Whether purchases can be stored, and the same in a sentence for people. */
export interface StoringHealth {
  readonly ok: boolean
  readonly detail: string
}

/** Whether stored purchases are applied, the same in a sentence, and the partitions whose are not. */
export interface ApplyingHealth extends StoringHealth {
  readonly partitions: ReadonlyArray<number>
}

/** What an edge says that can store purchases. It is `ready` only where stored purchases are applied as well. */
export interface ReadyState {
  readonly status: "ready" | "storing-only"
  readonly storing: StoringHealth
  readonly applying: ApplyingHealth
}

/** A worker and what its process has done since it began; no counts where it has told none yet. */
export interface WorkerStatus {
  readonly worker: string
  /** A later process under the same name has a higher one. */
  readonly process: number
  /** When the broker stored its newest sign of life. */
  readonly heardAt: string
  /** Whether it was heard within its lease. */
  readonly alive: boolean
  /** How old that sign was when it was read, by the broker's clock. */
  readonly silentMilliseconds: number
  readonly partitions: ReadonlyArray<number>
  /** When this process began, by its own clock. Its counts begin there. */
  readonly startedAt?: string
  readonly applied?: number
  readonly repeats?: number
  readonly rejected?: number
}

/** What goes on in the whole system. */
export interface SystemStatus {
  /** When it was read; it is at most half a second old. */
  readonly at: string
  readonly storing: StoringHealth
  readonly applying: ApplyingHealth
  readonly partitions: ReadonlyArray<PartitionStatus>
  /** Those that were heard in the last minute and have not said goodbye. */
  readonly workers: ReadonlyArray<WorkerStatus>
  /** The edge that answers. */
  readonly edge: {
    /** Purchases that it has taken and not stored yet. */
    readonly waitingPurchases: number
    readonly feedReaders: number
    /** The version of the IANA time zone database by which it cuts hours, days and months. */
    readonly timeZoneData: string
  }
}
