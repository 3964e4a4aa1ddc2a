import type { Decimal } from "./Amount.ts"

/** The content of a purchase. `total` is `value` times `quantity`. */
export interface PurchaseContent {
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly value: Decimal
  readonly quantity: number
  readonly total: Decimal
}

/** A purchase that is on the broker's disk and will be applied. */
export interface StoredPurchase extends PurchaseContent {
  readonly status: "stored"
}

/** A purchase that is applied. `runningTotal` is the total of the account after the purchase. */
export interface AppliedPurchase extends PurchaseContent {
  readonly status: "applied"
  readonly runningTotal: Decimal
  readonly currency: "USD"
}

/** The answer to the post of a purchase. */
export type PostedPurchase = (StoredPurchase | AppliedPurchase) & {
  /**
   * `true` if the purchase was stored before the request. An earlier attempt of the same call may have stored the
   * purchase.
   */
  readonly repeat?: true
}

/**
 * A purchase in the history of its account, or a reversal of an earlier purchase. A reversal has the content of its
 * purchase. The `quantity` of a reversal is the number of pieces that it takes back, and its `total` is negative.
 */
export interface HistoryEntry extends PurchaseContent {
  /** The number of the entry in its account, from 1. */
  readonly number: number
  readonly runningTotal: Decimal
  /** The time at which the broker stored the entry. All times in answers are texts (ISO 8601, UTC). */
  readonly storedAt: string
  /** The kind of the entry; missing for a purchase. */
  readonly kind?: "reversal"
  readonly reversalId?: string
  /** The change of the account's total by a reversal, as a negative amount. */
  readonly amount?: Decimal
  /** The reason for the reversal, for people. */
  readonly reason?: string
}

/** A reversal in the receipt of its purchase. */
export interface ReceiptReversal {
  readonly reversalId: string
  /** The number of pieces that the reversal takes back. */
  readonly quantity: number
  /** The change of the account's total by the reversal, as a negative amount. */
  readonly amount: Decimal
  readonly reason: string
  readonly storedAt: string
}

/** Everything that is known of one applied purchase. */
export interface PurchaseReceipt extends AppliedPurchase {
  readonly number: number
  readonly storedAt: string
  readonly appliedAt: string
  readonly inputSequence: number
  readonly ledgerSequence: number
  /**
   * The number of repeats that the purchaseId set recognised. Repeats that the broker drops within its duplicate window
   * are not counted.
   */
  readonly repeatsDropped: number
  /** The number of conflicts: purchases that came under the id of this purchase with another content. */
  readonly conflictsRejected: number
  /** The number of pieces of the purchase that reversals took back. */
  readonly reversed: number
  /** The number of pieces of the purchase that no reversal took back. */
  readonly left: number
  /** The reversals of the purchase, newest first, at most 100. */
  readonly reversals: ReadonlyArray<ReceiptReversal>
  /** The path of the page with the next older reversals; missing if `reversals` has all reversals. */
  readonly nextReversals?: string
}

/** A page of the reversals of one purchase, newest first. */
export interface ReversalPage {
  readonly userId: string
  readonly purchaseId: string
  /** The number of pieces that were bought. */
  readonly quantity: number
  readonly reversed: number
  readonly left: number
  readonly reversals: ReadonlyArray<ReceiptReversal>
  /** The path of the next page; missing on the last page. */
  readonly next?: string
}

/** The members that all answers about one reversal have. */
interface ReversalContent {
  readonly kind: "reversal"
  readonly reversalId: string
  /** The purchase that is reversed. */
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly value: Decimal
  readonly reason: string
}

/** A reversal that is on the broker's disk, and that a worker will apply or refuse. */
export interface StoredReversal extends ReversalContent {
  readonly status: "stored"
  /** The number of pieces to take back; missing if the request did not give the number. */
  readonly quantity?: number
  readonly amount?: Decimal
}

/** A reversal that is applied. */
export interface AppliedReversal extends ReversalContent {
  readonly status: "applied"
  /** The number of pieces that the reversal takes back. */
  readonly quantity: number
  /** The change of the account's total by the reversal, as a negative amount. */
  readonly amount: Decimal
  /** The total of the account after the reversal. */
  readonly runningTotal: Decimal
  readonly currency: "USD"
  /** The number of the reversal among the entries of its account, from 1. */
  readonly number: number
  readonly storedAt: string
  readonly ledgerSequence: number
}

/** The answer to a reversal. */
export type PostedReversal = (StoredReversal | AppliedReversal) & {
  /** `true` if the reversal was stored before the request. */
  readonly repeat?: true
}

/** Everything that is known of one applied reversal. */
export interface ReversalReceipt extends AppliedReversal {
  readonly appliedAt: string
  readonly inputSequence: number
  readonly repeatsDropped: number
  readonly conflictsRejected: number
}

/** The state of an account. */
export interface Account {
  readonly userId: string
  readonly total: Decimal
  readonly currency: "USD"
  readonly purchaseCount: number
  readonly reversalCount: number
}

/** The answer to a read of an account. */
export interface AskedAccount extends Account {
  /** Whether a purchase of this user was ever applied. */
  readonly known: boolean
}

/** The total of an account, now or at a time. */
export interface AccountTotal extends AskedAccount {
  /** The time that the caller asked for; missing for the present total. */
  readonly at?: string
}

/** One page of a history, newest entry first. */
export interface HistoryPage extends AskedAccount {
  /** The purchases and reversals of the page. */
  readonly purchases: ReadonlyArray<HistoryEntry>
  /** The path of the next page; missing on the last page. */
  readonly next?: string
}

/** A user in the list of all users. */
export type ListedUser = Account

/** One page of the list of users, which is not sorted by their ids. */
export interface UserPage {
  readonly users: ReadonlyArray<ListedUser>
  /** The path of the next page; missing on the last page. */
  readonly next?: string
}

/** The answer to a call of `generate`, which stores random purchases. */
export interface Generated {
  readonly userId: string
  readonly purchasesGenerated: number
  readonly status: "success"
}

/** The answer to a call of `duplicate`, which sends one purchase several times. */
export interface Duplicated {
  readonly userId: string
  readonly purchaseId: string
  readonly duplicatesSent: number
  readonly status: "success"
  readonly note: string
}

/** The numbers of repeats and conflicts of one purchase. */
interface PurchaseRepeats {
  readonly purchaseId: string
  readonly repeatsDropped: number
  readonly conflictsRejected: number
}

/** The numbers of repeats and conflicts of one reversal. */
interface ReversalRepeats {
  readonly reversalId: string
  readonly repeatsDropped: number
  readonly conflictsRejected: number
}

/** The effect of one commit on one account, as an event of a feed has it. The lists have the oldest entry first. */
export interface AppliedRevision extends Account {
  readonly purchases: ReadonlyArray<HistoryEntry>
  readonly repeats: ReadonlyArray<PurchaseRepeats>
  /** The reversals of the revision; missing if the revision has neither reversals nor repeats of reversals. */
  readonly reversals?: ReadonlyArray<HistoryEntry>
  /** The repeats of reversals; missing if the revision has neither reversals nor repeats of reversals. */
  readonly reversalRepeats?: ReadonlyArray<ReversalRepeats>
  readonly appliedAt: string
}

/** The hour, day or month, in a time zone, for which a rule adds up `spent` or `count`. */
export interface CalendarWindow {
  readonly by: "hour" | "day" | "month"
  /** The name of a time zone, like `Europe/Berlin`. */
  readonly timeZone: string
}

/** A rule of a user about purchases, as the service writes it. */
export interface Rule {
  /** Whose purchases the rule is about: those of its owner, or of every user. */
  readonly who: "self" | "all"
  readonly product?: string
  readonly productType?: string
  readonly measure: "value" | "quantity" | "total" | "spent" | "count"
  /**
   * A length of time like `P7D`, or a calendar window. Without `within`, a running measure adds up all purchases of the
   * user.
   */
  readonly within?: string | CalendarWindow
  readonly is: "equal" | "greater-or-equal" | "less-or-equal" | "crosses"
  /** An exact decimal; for the measures `quantity` and `count`, a whole number as text. */
  readonly threshold: Decimal
  readonly from?: string
  readonly until?: string
  readonly enabled: boolean
  readonly note?: string
}

/** A rule in the list of its user's rules. */
export interface ListedRule {
  readonly ruleId: string
  /** The version of the rule, a number that grows with each change of the user's rules. */
  readonly version: number
  /** The number of the rule. The ids of the rule's alerts end with this number. */
  readonly number: number
  /** The rule as a sentence. */
  readonly inWords: string
  readonly rule: Rule
}

/** A rule of a user. */
export interface StoredRule extends ListedRule {
  readonly userId: string
  /**
   * The rule judges purchases whose commit has a higher sequence than `ledgerSequence`. Only the answer to a PUT has
   * `ledgerSequence`.
   */
  readonly ledgerSequence?: number
}

/** All rules of a user, oldest first. */
export interface RuleList {
  readonly userId: string
  /**
   * These rules judge purchases whose commit has a higher sequence than `ledgerSequence`. Before the first rule of the
   * user, `ledgerSequence` is 0.
   */
  readonly ledgerSequence: number
  readonly rules: ReadonlyArray<ListedRule>
}

/**
 * Names a rejected record: the message of the input log that brought the purchase, and the index of the purchase in the
 * message, from 0.
 */
export interface RejectedKey {
  readonly inputSequence: number
  readonly index: number
}

/** A rejected record in a list. The list has only the beginning of a long payload. */
export interface RejectedListed extends RejectedKey {
  readonly reason: string
  readonly rejectedAt: string
  readonly encoding: "text" | "base64"
  /** The number of characters of the whole payload. */
  readonly payloadLength: number
  readonly payload: string
  /** The state of the record's replay; `none` if the record was not replayed. */
  readonly replay: "none" | ReplayState
}

/**
 * In the state `conflicting`, the id of the replay belongs to another purchase, and the replay has applied nothing.
 * Replay a record in the state `conflicting` under another id.
 */
export type ReplayState = "begun" | "stored" | "applied" | "conflicting"

/** One step of a replay. */
export interface ReplayStep {
  readonly state: ReplayState
  readonly at: string
  readonly inputSequence?: number
  /**
   * The id of the token, or the subject of the JWT, of the caller of this step; missing if the service asks for no
   * token.
   */
  readonly by?: string
  readonly purchase: PurchaseContent
  /** The path of the purchase's receipt, which exists once the purchase is applied. */
  readonly receipt: string
}

/**
 * A record of the audit log: who asked for which change. The service may have refused the change that a record of the
 * audit log names.
 */
export interface AuditEntry {
  readonly sequence: number
  /** The time at which the record was stored. The service stores the record before it makes the change. */
  readonly at: string
  /** The caller: the id of a token, the subject of a JWT, or the person at the command line. */
  readonly by: string
  readonly name: string
  /** The network address of the caller; missing for a change by the command line. */
  readonly from?: string
  /** The kind of the change: the name of the route, or of the command, that the caller used. */
  readonly what: string
  /** The thing that the caller wanted to change: a path, or the id of a token. */
  readonly of: string
}

/** One page of the audit log, newest first. */
export interface AuditPage {
  readonly records: ReadonlyArray<AuditEntry>
  readonly next?: string
}

/** A whole rejected record, with the steps of its replay, oldest first. */
export interface RejectedRecord extends RejectedListed {
  readonly trail: ReadonlyArray<ReplayStep>
}

/** One page of the rejected records, newest first. */
export interface RejectedPage {
  readonly rejected: ReadonlyArray<RejectedListed>
  /** The path of the next page; missing on the last page. */
  readonly next?: string
}

/** The values that a rule measured for a purchase: exact decimals, or whole numbers for `quantity` and `count`. */
export interface MeasuredValues {
  /** The running measure before the purchase; missing for a measure of one purchase. */
  readonly before?: Decimal
  /** The measure of the purchase, or the running measure including the purchase. */
  readonly after: Decimal
}

/** A purchase that met a rule. */
export interface AlertedPurchase extends PurchaseContent {
  readonly storedAt: string
  /** The sequence of the commit that applied the purchase. */
  readonly ledgerSequence: number
}

/** An alert that a rule would have given, as a back-test finds it. */
export interface WouldBeAlert {
  readonly id: string
  readonly purchase: AlertedPurchase
  readonly measured: MeasuredValues
}

/** An alert: a purchase met a rule of a user. */
export interface Alert extends WouldBeAlert {
  /** The user whose rule it is. */
  readonly owner: string
  readonly ruleId: string
  readonly ruleVersion: number
  /** The rule as a sentence. */
  readonly inWords: string
  /** The content that the rule had when the purchase's commit was stored. */
  readonly rule: Rule
  /** The time at which the alert was stored. */
  readonly alertedAt: string
}

/** One page of a user's alerts, newest first. */
export interface AlertPage {
  readonly alerts: ReadonlyArray<Alert>
  /** The alerts of all purchases whose `ledgerSequence` is at most this sequence are complete. */
  readonly completeThrough: number
  /** The path of the next page; missing on the last page. */
  readonly next?: string
}

/** The alerts that one purchase gave one user, as an event of a feed has them. */
export interface UserAlerts {
  readonly owner: string
  readonly alerts: ReadonlyArray<Alert>
}

/** The state of one partition. */
export interface PartitionStatus {
  readonly partition: number
  /**
   * The number of stored messages that are not applied. A message has up to 500 purchases. The number is missing if no
   * worker has read the partition for minutes.
   */
  readonly waitingMessages?: number
  /** The worker that was the last to take the partition over; missing if no worker has taken the partition over. */
  readonly owner?: string
  /** Tells people why the partition's purchases are not applied now; missing if the purchases are applied. */
  readonly notApplied?: string
}

/** Whether purchases can be stored. `detail` is a sentence that tells people the state. */
export interface StoringHealth {
  readonly ok: boolean
  readonly detail: string
}

/** Whether stored purchases are applied, and the partitions whose purchases are not applied. */
export interface ApplyingHealth extends StoringHealth {
  readonly partitions: ReadonlyArray<number>
}

/**
 * The state of an edge that can store purchases: `ready` if stored purchases are applied, and otherwise `storing-only`.
 */
export interface ReadyState {
  readonly status: "ready" | "storing-only"
  readonly storing: StoringHealth
  readonly applying: ApplyingHealth
}

/**
 * A worker, and the numbers of applied, repeated and rejected purchases since the start of its process. These numbers
 * are missing until the worker has sent the numbers in a sign of life.
 */
export interface WorkerStatus {
  readonly worker: string
  /** The number of the process. Each later process of the worker has a higher number. */
  readonly process: number
  /** The time at which the broker stored the worker's newest sign of life. */
  readonly heardAt: string
  /** Whether the worker's newest sign of life is within the lease. */
  readonly alive: boolean
  /** The age that the worker's newest sign of life had when the edge read this sign of life, by the broker's clock. */
  readonly silentMilliseconds: number
  readonly partitions: ReadonlyArray<number>
  /** The start of the worker's process, by the clock of the process. */
  readonly startedAt?: string
  readonly applied?: number
  readonly repeats?: number
  readonly rejected?: number
  /** Accounts whose records cannot be read, at most ten; missing if all accounts can be read. */
  readonly stoppedAccounts?: ReadonlyArray<{ readonly userId: string; readonly problem: string }>
}

/** How far the purchases of a shard of users are judged by rules. */
export interface ShardStatus {
  readonly shard: number
  /** The judge that was the last to judge the shard; missing if no judge has judged the shard. */
  readonly judge?: string
  /** The journal sequence up to which all alerts of the shard are stored; missing if no judge has judged the shard. */
  readonly judgedThrough?: number
  /** The age of the oldest purchase that is applied and not judged; 0 if all applied purchases are judged. */
  readonly lagMilliseconds: number
}

/** The state of the whole system. */
export interface SystemStatus {
  /** The time at which the edge read the status, at most half a second ago. */
  readonly at: string
  readonly storing: StoringHealth
  readonly applying: ApplyingHealth
  readonly partitions: ReadonlyArray<PartitionStatus>
  /**
   * The age in milliseconds of the oldest stored message that is not applied; 0 if no message waits. The age is missing
   * if no worker has read any partition for minutes.
   */
  readonly oldestWaitingMilliseconds?: number
  /** The workers that sent a sign of life in the last minute and have not announced their end. */
  readonly workers: ReadonlyArray<WorkerStatus>
  /** How far purchases are judged by rules; missing if the broker does not answer. */
  readonly alerts?: ReadonlyArray<ShardStatus>
  /** The state of the edge that answered. */
  readonly edge: {
    /** The number of purchases that the edge has accepted and not stored yet. */
    readonly waitingPurchases: number
    readonly feedReaders: number
    /** The version of the IANA time zone database, from which the edge computes where hours, days and months begin. */
    readonly timeZoneData: string
  }
}

/** The outcome of an attempt to deliver alerts to a webhook. */
export interface WebhookAttempt {
  readonly at: string
  /** The status of the webhook's answer; missing if the webhook did not answer. */
  readonly status?: number
  /** Why the attempt failed; missing if the attempt did not fail. */
  readonly reason?: string
}

/** The webhook of a user, and the state of its deliveries. */
export interface Webhook {
  readonly userId: string
  readonly url: string
  readonly enabled: boolean
  /**
   * `retrying`: the newest attempt failed, and another attempt follows. `paused`: nothing is delivered until a call of
   * `setWebhook`. `off`: `enabled` is `false`.
   */
  readonly state: "delivering" | "retrying" | "paused" | "off"
  /** The alerts of all deliveries up to this id are delivered, are dead letters, or were skipped. */
  readonly deliveredThrough: number
  /** The number of failed attempts since the end of the previous delivery. */
  readonly failures: number
  readonly nextAttemptAt?: string
  readonly paused?: { readonly reason: string; readonly at: string }
  readonly lastAttempt?: WebhookAttempt
  /** Until this time each delivery is signed with the previous secret and with the newest secret. */
  readonly oldSecretUntil?: string
}

/** A new webhook, with its secret. Only this one answer has the secret. */
export interface NewWebhook extends Webhook {
  /** The secret that signs deliveries: `whsec_` and the base64 of 32 bytes. */
  readonly secret: string
}

/** The new secret of a webhook. Only this one answer has the secret. */
export interface NewWebhookSecret {
  readonly secret: string
  readonly oldSecretUntil: string
}

/** An alert that a webhook refused. */
export interface DeadLetter {
  /** The id of the delivery, like in the header `webhook-id`. */
  readonly id: number
  readonly at: string
  readonly status?: number
  readonly reason: string
  /** The first 1,024 bytes of the webhook's answer. */
  readonly answer: string
}

/** The dead letters of a user, newest first. */
export interface DeadLetterList {
  readonly userId: string
  readonly dead: ReadonlyArray<DeadLetter>
}

/** The outcome of a delivery that the caller asked for. */
export interface WebhookSendOutcome {
  readonly delivered: boolean
  readonly status?: number
  readonly reason?: string
  readonly answer: string
}
