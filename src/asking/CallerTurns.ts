import { Context } from "effect"

/** The caller for whom questions are asked. The text of the caller is empty if the callers are not told apart. */
export const AskingCaller = Context.Reference<string>("purchases/asking/AskingCaller", { defaultValue: () => "" })

/** A queue in which callers take turns. The items of one caller keep their order. */
export class CallerTurns<Item extends { readonly caller: string }> {
  /** The items of each caller. The first caller of the map has the next turn. No list of the map is empty. */
  private readonly byCaller = new Map<string, Array<Item>>()
  private items = 0

  get size(): number {
    return this.items
  }

  push(item: Item): void {
    const own = this.byCaller.get(item.caller)
    if (own === undefined) this.byCaller.set(item.caller, [item])
    else own.push(item)
    this.items += 1
  }

  /** Puts items back to the front of the items of their callers, in the order of `items`. */
  putBack(items: ReadonlyArray<Item>): void {
    for (const item of items.toReversed()) {
      const own = this.byCaller.get(item.caller)
      if (own === undefined) this.byCaller.set(item.caller, [item])
      else own.unshift(item)
    }
    this.items += items.length
  }

  /** Returns the item that `take` would return next; `undefined` if no item waits. */
  peek(): Item | undefined {
    for (const [first] of this.byCaller.values()) return first
    return undefined
  }

  /** Takes the oldest item of the caller whose turn it is, and moves this caller behind all other callers. */
  take(): Item | undefined {
    for (const [caller, own] of this.byCaller) {
      const item = own.shift()
      this.items -= 1
      if (own.length > 0 && this.byCaller.size === 1) return item
      this.byCaller.delete(caller)
      if (own.length > 0) this.byCaller.set(caller, own)
      return item
    }
    return undefined
  }
}
