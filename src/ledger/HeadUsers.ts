import { Effect } from "effect"
import { FirstUsers, type PlacedUser } from "./FirstUsers.ts"
import type { HeadTable } from "./HeadTable.ts"

/** The most slots of a table that are looked at without a pause. */
const slotsAtOnceMax = 262_144

/** The users of a partition in the order of their hashes. */
export interface HeadUsers {
  /** Names the order of the users. Heads that were made again from the chain have another order. */
  readonly mark: number
  /** Returns the hash of a user as a text. */
  readonly hashOf: (userToken: string) => string
  /**
   * Returns at least `limit` users from a place on, or all users that are left, and whether more users come after the
   * returned ones. A user that is new during the call may be left out.
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
      // Users have other slots after the table has grown, so the search for the first users begins again.
      if (table.slots === slots) return first.page()
    }
  })
})
