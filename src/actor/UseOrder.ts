/** What an order of use keeps in each of its members: the neighbours there. A member is in one order at most. */
export abstract class Used {
  older: this | undefined
  newer: this | undefined
}

/**
 * Members in the order of their last use, as a list that is linked through them: all it does takes the same time,
 * whatever its size. A Set would do, but its iterator walks over each member that was deleted at its front.
 */
export class UseOrder<A extends Used> {
  private oldestMember: A | undefined
  private newestMember: A | undefined
  private members = 0

  get size(): number {
    return this.members
  }

  get oldest(): A | undefined {
    return this.oldestMember
  }

  has(member: A): boolean {
    return member.newer !== undefined || this.newestMember === member
  }

  /** Makes a member the newest, also one that was not in the order. */
  use(member: A): void {
    if (this.newestMember === member) return
    this.delete(member)
    member.older = this.newestMember
    if (this.newestMember === undefined) this.oldestMember = member
    else this.newestMember.newer = member
    this.newestMember = member
    this.members += 1
  }

  /** Takes a member out; false when it was not in the order. */
  delete(member: A): boolean {
    if (!this.has(member)) return false
    const { older, newer } = member
    if (older === undefined) this.oldestMember = newer
    else older.newer = newer
    if (newer === undefined) this.newestMember = older
    else newer.older = older
    member.older = undefined
    member.newer = undefined
    this.members -= 1
    return true
  }
}
