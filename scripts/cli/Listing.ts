import { Flag } from "effect/cli"
import { wholeNumber } from "./WholeNumber.ts"

export const listFlags = {
  limit: Flag.Int("limit").pipe(
    Flag.withSchema(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    Flag.withDescription("The most of them, 20 unless told otherwise"),
    Flag.withDefault(20)
  ),
  all: Flag.Boolean("all").pipe(Flag.withDescription("All of them"), Flag.withDefault(false))
}

/** Yields as many of the items as the flags ask for. */
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
