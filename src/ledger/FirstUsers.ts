/** A user of a head table. */
export interface PlacedUser {
  /**
   * The place of the user in the list of all users: the first 53 bits of the hash of the user token. The list of all
   * users is sorted by the hashes of the user tokens. Two users hardly ever share a place.
   */
  readonly place: number
  /** The whole hash of the user as a text. */
  readonly hash: string
  /** The sequence of the commit with the user's newest revision. */
  readonly sequence: number
}

/** Returns the first 53 bits of a hash as a number, given its first two words. */
const placeOf = (first: number, second: number): number => first * 2 ** 21 + (second >>> 11)

/**
 * The first users of a head table at or after a place, in the order of the users' hashes. A user keeps its place as
 * long as the table keeps the key of its hashes. The object holds at most twice as many users as a page has, whatever
 * the size of the table.
 */
export class FirstUsers {
  private readonly from: number
  private readonly limit: number
  private users: Array<PlacedUser> = []
  /** The page has no user whose place is higher than `highest`. */
  private highest = Number.POSITIVE_INFINITY
  private isCut = false

  /**
   * `limit` is the number of users of the page. The page also has all users that share the place of the page's last
   * user.
   */
  constructor(from: number, limit: number) {
    this.from = from
    this.limit = limit
  }

  /** Takes a user if the user may be on the page. `hash` returns the whole hash of the user. */
  offer(first: number, second: number, sequence: number, hash: () => string): void {
    const place = placeOf(first, second)
    if (place < this.from) return
    if (place > this.highest) {
      this.isCut = true
      return
    }
    this.users.push({ place, hash: hash(), sequence })
    if (this.users.length >= 2 * this.limit) this.cut()
  }

  /** Returns the users of the page in the order of their places, and whether the table has users after the page. */
  page(): { readonly users: ReadonlyArray<PlacedUser>; readonly isCut: boolean } {
    this.cut()
    return { users: this.users, isCut: this.isCut }
  }

  private cut(): void {
    this.users.sort((one, other) => one.place - other.place)
    const last = this.users[this.limit - 1]
    if (last === undefined) return
    const kept = this.users.filter(({ place }) => place <= last.place)
    if (kept.length < this.users.length) this.isCut = true
    this.users = kept
    this.highest = last.place
  }
}
