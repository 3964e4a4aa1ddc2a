import type {
  AccountTotal,
  Alert,
  AlertPage,
  AppliedPurchase,
  AppliedReversal,
  AuditEntry,
  AuditPage,
  DeadLetterList,
  Duplicated,
  Generated,
  HistoryEntry,
  HistoryPage,
  ListedUser,
  NewWebhook,
  NewWebhookSecret,
  PostedPurchase,
  PostedReversal,
  PurchaseReceipt,
  ReadyState,
  ReceiptReversal,
  RejectedListed,
  RejectedPage,
  RejectedKey,
  RejectedRecord,
  ReversalPage,
  ReversalReceipt,
  RuleList,
  StoredPurchase,
  StoredReversal,
  StoredRule,
  SystemStatus,
  UserPage,
  Webhook,
  WebhookSendOutcome
} from "./Answers.ts"
import { type BackTestEvent, type BackTestOptions, readBackTest } from "./BackTestReader.ts"
import { type AlertEvent, alertEvent, appliedEvent, type FeedEvent, type FeedOptions, readFeed } from "./FeedReader.ts"
import { type NewPurchase, postHeaders, purchaseText, withId } from "./NewPurchase.ts"
import { changeHeaders, type ChangeOptions, type NewRule, type PutOptions, ruleText } from "./NewRule.ts"
import { type NewReversal, reversalText, withReversalId } from "./NewReversal.ts"
import { type ExportOptions, readExport } from "./ExportReader.ts"
import { filterQuery, type HistoryFilter } from "./HistoryFilter.ts"
import { withUnanswered } from "./Retry.ts"
import { type PostedLine, type PostOptions, postPurchases } from "./PurchaseStream.ts"
import { type CallOptions, type ClientSettings, Transport } from "./Transport.ts"

export interface ReadOptions extends CallOptions {
  /** `eventual` reads the state that the owner has in memory, without a check that this state is current. */
  readonly consistency?: "strong" | "eventual"
}

export interface PageOptions extends CallOptions {
  /** The most items of each page. */
  readonly limit?: number
  /** The `next` of the previous page; left out for the first page. */
  readonly next?: string | undefined
}

export interface AlertOptions extends CallOptions {
  /**
   * A sequence, like the `ledgerSequence` of a receipt. The service waits up to 5 s until all purchases up to this
   * sequence are judged.
   */
  readonly through?: number
}

/** Selects records of the audit log. */
export interface AuditOptions extends CallOptions {
  /** The id or the name of the caller who asked for the change. */
  readonly by?: string
  /** The kind of the change, like `putRule`. */
  readonly what?: string
  /** The records were stored at or after this time, like `2026-01-31T12:00:00Z`. */
  readonly since?: string
}

/** The number of items of a page of {@link PurchaseClient.history} and {@link PurchaseClient.rejected} by default. */
const pageLimit = 100

/** Adds a query to a path, which may have a query already. An empty query leaves the path as it is. */
const withQuery = (path: string, query: string): string =>
  query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`

/**
 * Returns the path of a page of a list. Only the query of `next` is used, because all pages of a list have one path.
 * The path in `next` may begin with the prefix of a proxy, which the client's URL has already.
 */
const pagePath = (path: string, { limit, next }: PageOptions): string => {
  if (next === undefined) return `${path}${limit === undefined ? "" : `?limit=${limit}`}`
  const query = next.indexOf("?")
  return query < 0 ? next : path + next.slice(query)
}

/** Yields the items of all pages. Asks for the next page when the caller has taken all items of the earlier pages. */
async function* itemsOf<Page extends { readonly next?: string }, Item>(
  ask: (next: string | undefined) => Promise<Page>,
  items: (page: Page) => ReadonlyArray<Item>
): AsyncGenerator<Item> {
  let next: string | undefined
  do {
    const page = await ask(next)
    yield* items(page)
    next = page.next
  } while (next !== undefined)
}

const rejectedPath = ({ inputSequence, index }: RejectedKey): string => `/rejected/${inputSequence}/${index}`

const userPath = (userId: string): string => `/users/${encodeURIComponent(userId)}`

const purchasePath = (userId: string, purchaseId: string): string =>
  `${userPath(userId)}/purchases/${encodeURIComponent(purchaseId)}`

const webhookPath = (userId: string): string => `${userPath(userId)}/webhook`

const rulePath = (userId: string, ruleId: string): string => `${userPath(userId)}/rules/${encodeURIComponent(ruleId)}`

/**
 * The client of the service. A call sends its request again, under the same purchaseId, after the statuses 429, 502,
 * 503 and 504, and after no answer. A call that fails throws a `ProblemError`, a `NoAnswer`, a `ForeignAnswer` or a
 * `TimedOut`, or the reason of an aborted signal. If the runtime lacks a feature that the call needs, the call throws
 * an `UnsupportedRuntime` before it sends anything. The constructor throws a `WrongUrl` if the address is wrong.
 */
export class PurchaseClient {
  private readonly transport: Transport

  constructor(settings: ClientSettings) {
    this.transport = new Transport(settings)
  }

  /**
   * Stores a purchase. The answer has the running total if the purchase is applied within `waitSeconds`. If the call
   * fails and the purchase may be stored, the failure has the purchase with its id in `unanswered`.
   */
  async post(purchase: NewPurchase, options: PostOptions = {}): Promise<PostedPurchase> {
    const identified = withId(purchase)
    const request = {
      method: "POST",
      headers: postHeaders("application/json", options.waitSeconds),
      body: purchaseText(identified)
    }
    try {
      const { body, headers } = await this.transport.answer("/purchases", request, options.signal, options.waitSeconds)
      const isRepeat = headers.get("idempotent-replayed") === "true"
      return { ...(body as StoredPurchase | AppliedPurchase), ...(isRepeat ? { repeat: true } : {}) }
    } catch (failure) {
      throw withUnanswered(failure, { unanswered: [identified] })
    }
  }

  /**
   * Takes back pieces of an applied purchase. The answer is an applied reversal if the reversal is applied within
   * `waitSeconds`. Throws a ProblemError of kind `not-found` if the purchase is not applied, and of kind
   * `more-than-left` if too few of its pieces are left. If the call fails and the reversal may be stored, the failure
   * has the reversal in `unansweredReversals`.
   */
  async reverse(reversal: NewReversal, options: PostOptions = {}): Promise<PostedReversal> {
    const identified = withReversalId(reversal)
    const { userId, purchaseId } = identified
    const path = `${purchasePath(userId, purchaseId)}/reversals`
    const headers = postHeaders("application/json", options.waitSeconds)
    const request = { method: "POST", headers, body: reversalText(identified) }
    try {
      const { body, headers } = await this.transport.answer(path, request, options.signal, options.waitSeconds)
      const isRepeat = headers.get("idempotent-replayed") === "true"
      return { ...(body as StoredReversal | AppliedReversal), ...(isRepeat ? { repeat: true } : {}) }
    } catch (failure) {
      throw withUnanswered(failure, { unansweredReversals: [identified] })
    }
  }

  /**
   * Stores any number of purchases, and yields the outcome of each purchase, in the order of the purchases. The client
   * takes purchases from the caller no faster than the service answers. When the connection breaks off, the client
   * sends the purchases without an answer again under their ids.
   */
  postAll(
    purchases: Iterable<NewPurchase> | AsyncIterable<NewPurchase>,
    options: PostOptions = {}
  ): AsyncGenerator<PostedLine> {
    return postPurchases(this.transport, purchases, options)
  }

  /** Reads the total of a user, which is exact and current, or the total at a time like `2026-01-31T12:00:00Z`. */
  async total(userId: string, options: ReadOptions & { readonly at?: string } = {}): Promise<AccountTotal> {
    const at = options.at === undefined ? "" : `?at=${encodeURIComponent(options.at)}`
    return (await this.read(`${userPath(userId)}/total${at}`, options)) as AccountTotal
  }

  /**
   * Reads one page of a user's history, newest first unless `order` says otherwise. The `next` of a page is the path of
   * the following page, and has the filter of the first page. A page of a filtered history may be short or empty and
   * still have `next`.
   */
  async historyPage(userId: string, options: ReadOptions & PageOptions & HistoryFilter = {}): Promise<HistoryPage> {
    const path = pagePath(`${userPath(userId)}/purchases`, options)
    const filter = options.next === undefined ? filterQuery(options) : ""
    return (await this.read(withQuery(path, filter), options)) as HistoryPage
  }

  /**
   * Yields a user's history of purchases and reversals, newest first unless `order` says otherwise. Reads each page
   * when the caller has taken the pages before. Each page has up to `pagePurchases` entries.
   */
  history(
    userId: string,
    { pagePurchases = pageLimit, ...options }: ReadOptions & HistoryFilter & { readonly pagePurchases?: number } = {}
  ): AsyncGenerator<HistoryEntry> {
    return itemsOf(
      (next) => this.historyPage(userId, { limit: pagePurchases, ...options, next }),
      ({ purchases }) => purchases
    )
  }

  /**
   * Yields the bytes of a file with a user's history, oldest first unless `order` says otherwise, as they come. Throws a
   * NoAnswer if the file breaks off: then the bytes are not the whole file.
   */
  exportHistory(userId: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array> {
    const path = withQuery(`${userPath(userId)}/export`, `format=${options.format ?? "csv"}`)
    return readExport(this.transport, withQuery(path, filterQuery(options)), options)
  }

  /**
   * Reads the receipt of an applied purchase. Throws a ProblemError of kind `not-found` if the purchase is not applied.
   */
  async receipt(userId: string, purchaseId: string, options: ReadOptions = {}): Promise<PurchaseReceipt> {
    return (await this.read(purchasePath(userId, purchaseId), options)) as PurchaseReceipt
  }

  /**
   * Reads one page of the reversals of a purchase, newest first. The `next` of a page is the path of the following page.
   * Throws a ProblemError of kind `not-found` if the purchase is not applied.
   */
  async reversalsPage(
    userId: string,
    purchaseId: string,
    options: ReadOptions & PageOptions = {}
  ): Promise<ReversalPage> {
    const path = pagePath(`${purchasePath(userId, purchaseId)}/reversals`, options)
    return (await this.read(path, options)) as ReversalPage
  }

  /**
   * Yields all reversals of a purchase, newest first. Reads each page when the caller has taken the pages before. Throws
   * a ProblemError of kind `not-found` if the purchase is not applied.
   */
  reversals(userId: string, purchaseId: string, options: ReadOptions = {}): AsyncGenerator<ReceiptReversal> {
    return itemsOf(
      (next) => this.reversalsPage(userId, purchaseId, { limit: pageLimit, ...options, next }),
      ({ reversals }) => reversals
    )
  }

  /**
   * Reads the receipt of an applied reversal. Throws a ProblemError of kind `not-found` if the reversal is not applied.
   */
  async reversalReceipt(userId: string, reversalId: string, options: ReadOptions = {}): Promise<ReversalReceipt> {
    const path = `${userPath(userId)}/reversals/${encodeURIComponent(reversalId)}`
    return (await this.read(path, options)) as ReversalReceipt
  }

  /**
   * Reads one page of the list of all users, which is not sorted by their ids. If `prefix` is given, a page may be
   * short or empty and still have `next`.
   */
  async usersPage({ prefix, ...options }: PageOptions & { readonly prefix?: string } = {}): Promise<UserPage> {
    const query = prefix === undefined || options.next !== undefined ? "" : `prefix=${encodeURIComponent(prefix)}`
    return (await this.read(withQuery(pagePath("/users", options), query), options)) as UserPage
  }

  /**
   * Yields all users, or the users whose ids begin with `prefix`. Reads each page when the caller has taken the pages
   * before.
   */
  users(options: CallOptions & { readonly prefix?: string } = {}): AsyncGenerator<ListedUser> {
    return itemsOf(
      (next) => this.usersPage({ limit: pageLimit, ...options, next }),
      ({ users }) => users
    )
  }

  /** Reads one page of the rejected records, newest first. The `next` of a page is the path of the following page. */
  async rejectedPage(options: PageOptions = {}): Promise<RejectedPage> {
    return (await this.read(pagePath("/rejected", options), options)) as RejectedPage
  }

  /** Yields all rejected records, newest first. Reads each page when the caller has taken the pages before. */
  rejected(options: CallOptions = {}): AsyncGenerator<RejectedListed> {
    return itemsOf(
      (next) => this.rejectedPage({ limit: pageLimit, ...options, next }),
      ({ rejected }) => rejected
    )
  }

  /** Reads one page of the audit log, newest first. A page of the audit log may be empty and still have a `next`. */
  async auditPage({ by, what, since, ...options }: AuditOptions & PageOptions = {}): Promise<AuditPage> {
    const filter = new URLSearchParams(
      Object.entries({ by, what, since }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    )
    const path = pagePath("/audit", options)
    // The path in `next` has the filter already.
    const query = filter.size === 0 || options.next !== undefined ? "" : `${path.includes("?") ? "&" : "?"}${filter}`
    return (await this.read(path + query, options)) as AuditPage
  }

  /** Yields the records of the audit log, newest first. Reads each page when the caller has taken the pages before. */
  audit(options: AuditOptions = {}): AsyncGenerator<AuditEntry> {
    return itemsOf(
      (next) => this.auditPage({ limit: pageLimit, ...options, next }),
      ({ records }) => records
    )
  }

  /** Reads one rejected record, with the steps of its replay. */
  async rejectedRecord(key: RejectedKey, options: CallOptions = {}): Promise<RejectedRecord> {
    return (await this.read(rejectedPath(key), options)) as RejectedRecord
  }

  /**
   * Sends a corrected purchase for a rejected record. The first replay of a record decides the content of the purchase.
   * A repetition of the same call finishes a replay that broke off. Throws a ProblemError of kind `already-replayed` if
   * the record was replayed with another content. If the purchase has no purchaseId, the service makes the id from the
   * record. The `replay` of the answer is `applied` or `stored`. If `replay` is `stored`, a repetition of the call says
   * whether the purchase is applied.
   */
  async replayRejected(key: RejectedKey, purchase: NewPurchase, { signal }: CallOptions = {}): Promise<RejectedRecord> {
    const request = { method: "POST", headers: postHeaders("application/json"), body: purchaseText(purchase) }
    return (await this.transport.json(`${rejectedPath(key)}/replay`, request, signal)) as RejectedRecord
  }

  /**
   * Makes or changes a rule of a user. If the stored rule has the same content already, the call changes nothing.
   * Throws a ProblemError of kind `precondition-failed` if the condition of the change does not hold, and of kind
   * `rules-full` if there is no room for the rule. If an attempt with `onlyNew` got no answer, a later
   * `precondition-failed` may mean that this attempt stored the rule.
   */
  async putRule(userId: string, ruleId: string, rule: NewRule, options: PutOptions = {}): Promise<StoredRule> {
    const headers = { "content-type": "application/json", ...changeHeaders(options) }
    const request = { method: "PUT", headers, body: ruleText(rule) }
    return (await this.transport.json(rulePath(userId, ruleId), request, options.signal)) as StoredRule
  }

  /** Reads a rule of a user. Throws a ProblemError of kind `not-found` if the user has no rule of this id. */
  async getRule(userId: string, ruleId: string, { signal }: CallOptions = {}): Promise<StoredRule> {
    return (await this.transport.json(rulePath(userId, ruleId), {}, signal)) as StoredRule
  }

  /** Reads all rules of a user, oldest first. */
  async listRules(userId: string, { signal }: CallOptions = {}): Promise<RuleList> {
    return (await this.transport.json(`${userPath(userId)}/rules`, {}, signal)) as RuleList
  }

  /**
   * Removes a rule of a user. Throws a ProblemError of kind `not-found` if the user has no rule of this id, and of kind
   * `precondition-failed` if the rule has another version than `ifVersion`.
   */
  async removeRule(userId: string, ruleId: string, options: ChangeOptions = {}): Promise<void> {
    await this.transport.remove(rulePath(userId, ruleId), changeHeaders(options), options.signal)
  }

  /**
   * Makes or changes the webhook of a user. Members of the webhook that are left out stay as they are. `resume` skips
   * the alerts that are not delivered yet. The answer has a `secret` if the webhook is new. If an earlier attempt got
   * no answer and the answer has no `secret`, ask for a new secret. Throws a ProblemError of kind `refused-by-rules` if
   * the URL is not allowed.
   */
  async setWebhook(
    userId: string,
    wanted: { readonly url?: string; readonly enabled?: boolean; readonly resume?: "now" },
    { signal }: CallOptions = {}
  ): Promise<Webhook | NewWebhook> {
    const headers = { "content-type": "application/json" }
    const request = { method: "PUT", headers, body: JSON.stringify(wanted) }
    return (await this.transport.json(webhookPath(userId), request, signal)) as Webhook | NewWebhook
  }

  /** Reads the webhook of a user. Throws a ProblemError of kind `not-found` if the user has no webhook. */
  async webhook(userId: string, { signal }: CallOptions = {}): Promise<Webhook> {
    return (await this.transport.json(webhookPath(userId), {}, signal)) as Webhook
  }

  /** Removes the webhook of a user. Throws a ProblemError of kind `not-found` if the user has no webhook. */
  async removeWebhook(userId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.transport.remove(webhookPath(userId), {}, signal)
  }

  /**
   * Gives the webhook of a user a new secret. For 24 hours, each delivery is signed with the old secret and with the
   * new secret. Sends the request once, because each request makes another secret.
   */
  async rollWebhookSecret(userId: string, { signal }: CallOptions = {}): Promise<NewWebhookSecret> {
    const path = `${webhookPath(userId)}/secret`
    return (await this.transport.jsonOnce(path, { method: "POST" }, signal)) as NewWebhookSecret
  }

  /** Reads the alerts that the webhook of a user refused, newest first. */
  async deadLetters(
    userId: string,
    { limit, signal }: CallOptions & { readonly limit?: number } = {}
  ): Promise<DeadLetterList> {
    const path = pagePath(`${webhookPath(userId)}/dead`, limit === undefined ? {} : { limit })
    return (await this.transport.json(path, {}, signal)) as DeadLetterList
  }

  /**
   * Delivers a dead letter once more. The call waits for the outcome of the delivery, up to 35 seconds. Sends the
   * request once.
   */
  async sendDeadLetterAgain(userId: string, id: number, { signal }: CallOptions = {}): Promise<WebhookSendOutcome> {
    const path = `${webhookPath(userId)}/dead/${id}/again`
    return (await this.transport.jsonOnce(path, { method: "POST" }, signal)) as WebhookSendOutcome
  }

  /**
   * Sends the webhook of a user one test delivery without an alert. The call waits for the outcome of the delivery, up
   * to 35 seconds. Sends the request once.
   */
  async testWebhook(userId: string, { signal }: CallOptions = {}): Promise<WebhookSendOutcome> {
    const path = `${webhookPath(userId)}/test`
    return (await this.transport.jsonOnce(path, { method: "POST" }, signal)) as WebhookSendOutcome
  }

  /** Makes the service store random purchases of a user. Sends the request once, because the service makes the ids. */
  async generate(count: number, userId: string, { signal }: CallOptions = {}): Promise<Generated> {
    return (await this.transport.jsonOnce(`/generate/${count}/${encodeURIComponent(userId)}`, {}, signal)) as Generated
  }

  /** Makes the service send one purchase of a user `count` times under one purchaseId. Sends the request once. */
  async duplicate(count: number, userId: string, { signal }: CallOptions = {}): Promise<Duplicated> {
    const path = `/duplicate/${count}/${encodeURIComponent(userId)}`
    return (await this.transport.jsonOnce(path, {}, signal)) as Duplicated
  }

  /**
   * Returns whether stored purchases are applied. Throws a ProblemError of kind `unavailable` if the edge cannot store
   * purchases. Sends the request once.
   */
  async ready({ signal }: CallOptions = {}): Promise<ReadyState> {
    return (await this.transport.jsonOnce("/readyz", {}, signal)) as ReadyState
  }

  /** Reads the state of the system: storing, applying, the messages that wait in each partition, and the workers. */
  async status({ signal }: CallOptions = {}): Promise<SystemStatus> {
    return (await this.transport.json("/status", {}, signal)) as SystemStatus
  }

  /**
   * Yields an event for each commit of one account, or of all accounts, until the signal is aborted. When the feed
   * breaks off, the client opens the feed again after the last event, without a gap and without a repeat. After a
   * break, another edge may serve the feed.
   */
  feed(options: FeedOptions = {}): AsyncGenerator<FeedEvent> {
    const path = options.userId === undefined ? "/feed" : `${userPath(options.userId)}/feed`
    return readFeed(this.transport, path, options, appliedEvent)
  }

  /** Reads one page of a user's alerts, newest first. The `next` of a page is the path of the following page. */
  async alertsPage(userId: string, { through, ...options }: AlertOptions & PageOptions = {}): Promise<AlertPage> {
    const path = pagePath(`${userPath(userId)}/alerts`, options)
    const query = through === undefined ? "" : `through=${through}`
    return (await this.transport.json(withQuery(path, query), {}, options.signal)) as AlertPage
  }

  /** Yields all stored alerts of a user, newest first. Reads each page when the caller has taken the pages before. */
  alerts(userId: string, { through, ...options }: AlertOptions = {}): AsyncGenerator<Alert> {
    return itemsOf(
      (next) => {
        const wait = next === undefined && through !== undefined ? { through } : {}
        return this.alertsPage(userId, { limit: pageLimit, ...options, ...wait, next })
      },
      ({ alerts }) => alerts
    )
  }

  /** Yields the alerts of one user, or of all users, as {@link feed} yields commits. */
  followAlerts(options: FeedOptions = {}): AsyncGenerator<AlertEvent> {
    const path = options.userId === undefined ? "/alerts/feed" : `${userPath(options.userId)}/alerts/feed`
    return readFeed(this.transport, path, options, alertEvent)
  }

  /**
   * Says how often past purchases would have met a rule. `rule` is the id of a stored rule of the user, or any rule
   * that need not be stored. Stores nothing. Sends as many requests as the range of time needs.
   */
  backTest(userId: string, rule: string | NewRule, options: BackTestOptions = {}): AsyncGenerator<BackTestEvent> {
    const { from, to } = options
    const isStored = typeof rule === "string"
    const base = isStored ? `${rulePath(userId, rule)}/backtest` : `${userPath(userId)}/backtest`
    const range = new URLSearchParams({ ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) })
    const init = isStored
      ? { method: "POST" }
      : { method: "POST", headers: { "content-type": "application/json" }, body: ruleText(rule) }
    const path = range.size === 0 ? base : `${base}?${range}`
    return readBackTest(this.transport, { path, pathAfter: (next) => pagePath(base, { next }), init }, options)
  }

  private read(path: string, { consistency, signal }: ReadOptions): Promise<unknown> {
    const query = consistency === undefined ? "" : `consistency=${consistency}`
    return this.transport.json(withQuery(path, query), {}, signal)
  }
}
