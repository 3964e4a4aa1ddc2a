import { accountKey, partitionOf } from "../../../src/domain/Subject.ts"
import type { FloorWrite } from "./Account.ts"

const accountPrefix = accountKey("")

/** The key of what a commit writes of all accounts of one shelf. */
export const shelfPrefix = "shelf."

/**
 * A layout that the ledger does not have: accounts stand on shelves, a bounded number, and a commit writes one message
 * for each shelf that it touches instead of one for each account. It shows what a revision for each purchase costs, and
 * what it would take not to pay that; how an account is found on its shelf after a restart is left open.
 */
export class Shelves {
  /** The sequence of each shelf's newest message. */
  private readonly revisions: Array<number>

  /** The number must be a multiple of that of the partitions, so that all users of a shelf are in one partition. */
  constructor(count: number) {
    this.revisions = Array.from({ length: count }, () => 0)
  }

  private shelfOf(userId: string): number {
    return partitionOf(userId, this.revisions.length)
  }

  /** The same writes with those of accounts put together. */
  packed(writes: ReadonlyArray<FloorWrite>): Array<FloorWrite> {
    const others: Array<FloorWrite> = []
    const byShelf = new Map<number, Array<FloorWrite>>()
    for (const write of writes) {
      if (!write.key.startsWith(accountPrefix)) {
        others.push(write)
        continue
      }
      const number = this.shelfOf(write.key.slice(accountPrefix.length))
      const together = byShelf.get(number)
      if (together === undefined) byShelf.set(number, [write])
      else together.push(write)
    }
    return [...others, ...Array.from(byShelf, ([number, together]) => this.writeOf(number, together))]
  }

  private writeOf(number: number, together: ReadonlyArray<FloorWrite>): FloorWrite {
    const revisions = together.map(({ key, value }) => `${JSON.stringify(key.slice(accountPrefix.length))}:${value}`)
    return {
      key: shelfPrefix + number,
      value: `{"version":1,"revisions":{${revisions.join(",")}}}`,
      expected: this.revisions[number] ?? 0,
      written: (sequence) => {
        this.revisions[number] = sequence
        for (const { written } of together) written(sequence)
      }
    }
  }
}
