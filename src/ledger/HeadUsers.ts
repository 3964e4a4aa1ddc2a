import { Effect } from "effect"
import { FirstUsers, type PlacedUser } from "./FirstUsers.ts"
import type { HeadTable } from "./HeadTable.ts"

/** The most slots of a head table that a search looks at in one turn of the event loop. */
const slotsAtOnceMax = 262_144

/** The users of a partition in the order of their hashes. */
export interface HeadUsers {
  /**
   * A number that identifies the order of the users. Heads that were made again from the chain have another order of
   * the users.
   */
  readonly mark: number
  /** Returns the hash of a user as a text. */
  readonly hashOf: (userToken: string) => string
  /**
   * Returns the first users from a place on: at least `limit` users, or all users from the place on. `isCut` says
   * whether more users follow. The page may lack a user whose first purchase is committed during the call.
   */
  readonly page: (
    from: number,
    limit: number
  ) => Effect.Effect<{ readonly users: ReadonlyArray<PlacedUser>; readonly isCut: boolean }>
}

/** Returns the users of a head table. */
export const headUsersOf = (table: HeadTable): HeadUsers => ({
  mark: table.mark,
  hashOf: (userToken) => table.hashOf(userToken),
  page: Effect.fnUntraced(function* (from, limit) {
    while (true) {
      const { slots } = table
      const first = new FirstUsers(from, limit)
      for (let slot = 0; slot < slots && table.slots === slots; slot += slotsAtOnceMax) {
        if (slot > 0) yield* Effect.yieldNow
        table.offerTo(first, slot, slot + slotsAtOnceMax)
      }
      // When the table grows, users move to other slots, so the search for the first users begins again.
      if (table.slots === slots) return first.page()
    }
  })
})
