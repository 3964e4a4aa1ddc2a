import { Option } from "effect"
import { Flag } from "effect/cli"
import type { HistoryFilter } from "../../src/client/HistoryFilter.ts"
import { productFlags } from "./PurchaseArguments.ts"
import { wholeNumber } from "./WholeNumber.ts"

const numberMax = 999_999_999_999_999

/** The flags that choose the entries of a history, and their order. */
export const historyFlags = {
  from: Flag.String("from").pipe(
    Flag.withDescription("Only purchases stored at or after this time, like 2026-01-31T12:00:00Z"),
    Flag.optional
  ),
  to: Flag.String("to").pipe(Flag.withDescription("Only purchases stored before this time"), Flag.optional),
  after: Flag.Int("after").pipe(
    Flag.withSchema(wholeNumber(0, numberMax)),
    Flag.withDescription("Only purchases with a number above this number"),
    Flag.optional
  ),
  before: Flag.Int("before").pipe(
    Flag.withSchema(wholeNumber(1, numberMax)),
    Flag.withDescription("Only purchases with a number below this number"),
    Flag.optional
  ),
  ...productFlags,
  oldest: Flag.Boolean("oldest").pipe(Flag.withDescription("Print the oldest purchases first"), Flag.withDefault(false))
}

interface Given {
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
  readonly after: Option.Option<number>
  readonly before: Option.Option<number>
  readonly product: Option.Option<string>
  readonly type: Option.Option<string>
  readonly oldest: boolean
}

/** Returns the filter that the flags describe. */
export const filterOf = (given: Given): HistoryFilter => ({
  ...(given.oldest ? { order: "oldest" } : {}),
  ...(Option.isSome(given.from) ? { from: given.from.value } : {}),
  ...(Option.isSome(given.to) ? { to: given.to.value } : {}),
  ...(Option.isSome(given.after) ? { after: given.after.value } : {}),
  ...(Option.isSome(given.before) ? { before: given.before.value } : {}),
  ...(Option.isSome(given.product) ? { product: given.product.value } : {}),
  ...(Option.isSome(given.type) ? { productType: given.type.value } : {})
})
