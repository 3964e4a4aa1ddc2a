import { Flag } from "effect/cli"
import { wholeNumber } from "./WholeNumber.ts"

export const listFlags = {
  limit: Flag.Int("limit").pipe(
    Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    Flag.withDescription("The most items to print, 20 by default"),
    Flag.withDefault(20)
  ),
  all: Flag.Boolean("all").pipe(Flag.withDescription("Print all items"), Flag.withDefault(false))
}

/** Yields the items that the flags ask for: the first `limit`, or all. */
export async function* listed<Item>(
  items: AsyncIterable<Item>,
  { limit, all }: { readonly limit: number; readonly all: boolean }
): AsyncGenerator<Item> {
  let taken = 0
  for await (const item of items) {
    yield item
    taken += 1
    if (!all && taken === limit) return
  }
}
