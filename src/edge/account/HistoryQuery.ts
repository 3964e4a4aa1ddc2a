import { createHash } from "node:crypto"
import { Effect } from "effect"
import { type HistoryFilter, type HistoryOrder, historyOrders } from "../../protocol/Query.ts"
import { instant } from "../contract/AnswerBodies.ts"
import { askedProductTextField, momentField, wholeNumberField, wordField } from "../contract/Field.ts"
import { problem } from "../contract/Problem.ts"
import { optional } from "../route/Route.ts"

const numberMax = 999_999_999_999_999

/** The query parameters that choose the entries of a history, and their order. */
export const historyQuery = {
  order: optional(wordField("order", historyOrders), "newest", "The entries that come first. The default is `newest`."),
  from: optional(
    momentField("from"),
    undefined,
    "Only entries that the broker stored (`storedAt`) at or after this time."
  ),
  to: optional(momentField("to"), undefined, "Only entries that the broker stored (`storedAt`) before this time."),
  after: optional(
    wholeNumberField("after", "malformed-request", 0, numberMax),
    undefined,
    "Only entries whose `number` is above this number."
  ),
  before: optional(
    wholeNumberField("before", "malformed-request", 1, numberMax),
    undefined,
    "Only entries whose `number` is below this number."
  ),
  product: optional(
    askedProductTextField("product"),
    undefined,
    "Only entries with this `productName`, letter by letter."
  ),
  productType: optional(
    askedProductTextField("productType"),
    undefined,
    "Only entries with this `productType`, letter by letter."
  )
}

/** The values of {@link historyQuery} as a route gets them. */
export interface HistoryAsked {
  readonly order: HistoryOrder
  readonly from: number | undefined
  readonly to: number | undefined
  readonly after: number | undefined
  readonly before: number | undefined
  readonly product: string | undefined
  readonly productType: string | undefined
}

/** Returns whether a request has a filter, or asks for the oldest entries first. */
export const isFiltered = ({ order, ...filter }: HistoryAsked): boolean =>
  order === "oldest" || Object.keys(historyQuery).some((name) => filter[name as keyof typeof filter] !== undefined)

const malformed = (detail: string) => Effect.fail(problem("malformed-request", detail))

/**
 * Returns the filter of a request. Fails with the problem `malformed-request` if no entry can be in the range of the
 * filter.
 */
export const filterOf = Effect.fnUntraced(function* ({ from, to, after, before, product, productType }: HistoryAsked) {
  if (from !== undefined && to !== undefined && from >= to) {
    return yield* malformed(`from must be before to, and is ${instant(from)}; to is ${instant(to)}.`)
  }
  if (after !== undefined && before !== undefined && after >= before) {
    return yield* malformed(`after must be below before, and is ${after}; before is ${before}.`)
  }
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(after === undefined ? {} : { after }),
    ...(before === undefined ? {} : { before }),
    ...(product === undefined ? {} : { product }),
    ...(productType === undefined ? {} : { productType })
  } satisfies HistoryFilter
})

/** Returns the query parameters of a filter and an order. Leaves out the order `newest`, which is the default. */
export const historyParameters = (order: HistoryOrder, { from, to, ...rest }: HistoryFilter): URLSearchParams => {
  const parameters = new URLSearchParams(order === "newest" ? {} : { order })
  if (from !== undefined) parameters.set("from", instant(from))
  if (to !== undefined) parameters.set("to", instant(to))
  for (const [name, value] of Object.entries(rest)) parameters.set(name, String(value))
  return parameters
}

/** Returns a short text that stands for query parameters in an ETag. */
export const queryMark = (parameters: URLSearchParams): string =>
  createHash("sha256").update(parameters.toString()).digest("hex").slice(0, 12)
