import type {
  AccountTotal,
  AppliedPurchase,
  Duplicated,
  Generated,
  HistoryEntry,
  HistoryPage,
  NewPurchase,
  PostedPurchase,
  PurchaseReceipt,
  ReadyState,
  RejectedListed,
  RejectedPage,
  RejectedPlace,
  RejectedRecord,
  StoredPurchase,
  SystemStatus
} from "./Answers.ts"
import { type FeedEvent, type FeedOptions, readFeed } from "./FeedReader.ts"
import { postHeaders, purchaseText, withId } from "./NewPurchase.ts"
import { withUnanswered } from "./Retry.ts"
import { type PostedLine, type PostOptions, postPurchases } from "./PurchaseStream.ts"
import { type CallOptions, type ClientSettings, Transport } from "./Transport.ts"

export interface ReadOptions extends CallOptions {
  /** `eventual` asks for what the owner of the account knows, instead of what is current. */
  readonly consistency?: "strong" | "eventual"
}

export interface PageOptions extends CallOptions {
  /** The most items of the first page; the pages after it have as many. */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly next?: string | undefined
}

/** How many purchases {@link PurchaseClient.history} asks for at once by itself, and {@link PurchaseClient.rejected} records. */
const pageLimit = 100

/**
 * Returns the path of a page. Of `next` only the query is taken, since all pages of a list have one path: what stands
 * before that may be a proxy's prefix, which is in the client's URL already.
 */
const pagePath = (path: string, { limit, next }: PageOptions): string => {
  if (next === undefined) return `${path}${limit === undefined ? "" : `?limit=${limit}`}`
  const query = next.indexOf("?")
  return query < 0 ? next : path + next.slice(query)
}

/** The items of all pages, each of which is asked for when those before it are taken. */
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

const rejectedPath = ({ inputSequence, index }: RejectedPlace): string => `/rejected/${inputSequence}/${index}`

const userPath = (userId: string): string => `/users/${encodeURIComponent(userId)}`

/**
 * A client of the service. Every call sends its request again, with the same purchaseId, while the service says "not
 * now" (429, 502, 503, 504) or cannot be reached, and then throws a `ProblemError`, a `NoAnswer`, a `ForeignAnswer` or a
 * `TimedOut`. An aborted signal ends it with the signal's reason. A runtime that lacks something is an
 * `UnsupportedRuntime` before anything is sent, and an address that is not one is a `WrongUrl` of the constructor.
 */
export class PurchaseClient {
  private readonly transport: Transport

  constructor(settings: ClientSettings) {
    this.transport = new Transport(settings)
  }

  /**
   * Stores a purchase; one that was applied in the time that `waitSeconds` gives has its running total. A failure that
   * leaves open whether it is stored has it among its `unanswered`, with its id.
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
      throw withUnanswered(failure, [identified])
    }
  }

  /**
   * Stores purchases of any number, and tells what became of each, in their order. It takes no more of them than go out
   * and are answered. When the connection breaks off, those without an answer are sent again under their ids.
   */
  postAll(
    purchases: Iterable<NewPurchase> | AsyncIterable<NewPurchase>,
    options: PostOptions = {}
  ): AsyncGenerator<PostedLine> {
    return postPurchases(this.transport, purchases, options)
  }

  /** The total of a user, exact and current, or as it was at a time, like `2026-01-31T12:00:00Z`. */
  async total(userId: string, options: ReadOptions & { readonly at?: string } = {}): Promise<AccountTotal> {
    const at = options.at === undefined ? "" : `?at=${encodeURIComponent(options.at)}`
    return (await this.read(`${userPath(userId)}/total${at}`, options)) as AccountTotal
  }

  /** One page of a user's history, newest first; `next` of a page leads to the one after it. */
  async historyPage(userId: string, options: ReadOptions & PageOptions = {}): Promise<HistoryPage> {
    return (await this.read(pagePath(`${userPath(userId)}/purchases`, options), options)) as HistoryPage
  }

  /** A user's whole history, newest first, page by page as it is taken; `pagePurchases` says how many a page has. */
  history(
    userId: string,
    { pagePurchases = pageLimit, ...options }: ReadOptions & { readonly pagePurchases?: number } = {}
  ): AsyncGenerator<HistoryEntry> {
    return itemsOf(
      (next) => this.historyPage(userId, { limit: pagePurchases, ...options, next }),
      ({ purchases }) => purchases
    )
  }

  /** The receipt of a purchase that was applied; of another one it is a problem of the kind `not-found`. */
  async receipt(userId: string, purchaseId: string, options: ReadOptions = {}): Promise<PurchaseReceipt> {
    const path = `${userPath(userId)}/purchases/${encodeURIComponent(purchaseId)}`
    return (await this.read(path, options)) as PurchaseReceipt
  }

  /** One page of what could not be applied, newest first; `next` of a page leads to the one after it. */
  async rejectedPage(options: PageOptions = {}): Promise<RejectedPage> {
    return (await this.read(pagePath("/rejected", options), options)) as RejectedPage
  }

  /** All that could not be applied, newest first, page by page as it is taken. */
  rejected(options: CallOptions = {}): AsyncGenerator<RejectedListed> {
    return itemsOf(
      (next) => this.rejectedPage({ limit: pageLimit, ...options, next }),
      ({ rejected }) => rejected
    )
  }

  /** One record of what could not be applied, and what was done about it. */
  async rejectedRecord(place: RejectedPlace, options: CallOptions = {}): Promise<RejectedRecord> {
    return (await this.read(rejectedPath(place), options)) as RejectedRecord
  }

  /**
   * Sends a purchase as it was meant, once for each record: the first settles what is sent, the same again finishes it,
   * and another content is a problem of the kind `already-replayed`. Without a purchaseId the record makes one. The
   * answer's `replay` is `applied`, or else `stored`, and then the same again says whether it is applied.
   */
  async replayRejected(
    place: RejectedPlace,
    purchase: NewPurchase,
    { signal }: CallOptions = {}
  ): Promise<RejectedRecord> {
    const request = { method: "POST", headers: postHeaders("application/json"), body: purchaseText(purchase) }
    return (await this.transport.json(`${rejectedPath(place)}/replay`, request, signal)) as RejectedRecord
  }

  /** Has so many random purchases of a user stored. It is sent once, since the service makes their ids. */
  async generate(count: number, userId: string, { signal }: CallOptions = {}): Promise<Generated> {
    return (await this.transport.jsonOnce(`/generate/${count}/${encodeURIComponent(userId)}`, {}, signal)) as Generated
  }

  /** Has one purchase of a user stored so many times under one purchaseId. It is sent once, as {@link generate}. */
  async duplicate(count: number, userId: string, { signal }: CallOptions = {}): Promise<Duplicated> {
    const path = `/duplicate/${count}/${encodeURIComponent(userId)}`
    return (await this.transport.jsonOnce(path, {}, signal)) as Duplicated
  }

  /**
   * Returns whether stored purchases are applied, from an edge that can store purchases. One that cannot answers with a
   * problem of the kind `unavailable`. It is sent once.
   */
  async ready({ signal }: CallOptions = {}): Promise<ReadyState> {
    return (await this.transport.jsonOnce("/readyz", {}, signal)) as ReadyState
  }

  /** Returns whether purchases can be stored and are applied, what waits in each partition, and the workers. */
  async status({ signal }: CallOptions = {}): Promise<SystemStatus> {
    return (await this.transport.json("/status", {}, signal)) as SystemStatus
  }

  /**
   * What is applied, as it is applied, to one user's account or to all, until the signal is aborted. When it breaks off
   * it goes on after the last event, without a gap or a repeat, at the edge that answers then.
   */
  feed(options: FeedOptions = {}): AsyncGenerator<FeedEvent> {
    const path = options.userId === undefined ? "/feed" : `${userPath(options.userId)}/feed`
    return readFeed(this.transport, path, options)
  }

  private read(path: string, { consistency, signal }: ReadOptions): Promise<unknown> {
    const query = consistency === undefined ? "" : `${path.includes("?") ? "&" : "?"}consistency=${consistency}`
    return this.transport.json(path + query, {}, signal)
  }
}
