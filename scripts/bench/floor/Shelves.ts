import { accountKey, partitionOf } from "../../../src/domain/Subject.ts"
import type { FloorWrite } from "./Account.ts"

const accountPrefix = accountKey("")

/** The key of what a commit writes of all accounts of one shelf. */
export const shelfPrefix = "shelf."

interface Shelf {
  revision: number
}

/**
 * A layout that the ledger does not have: accounts stand on shelves, a bounded number, and a commit writes one message
 * for each shelf that it touches instead of one for each account. It shows what a revision for each purchase costs, and
 * what it would take not to pay that; how an account is found on its shelf after a restart is left open.
 */
export class Shelves {
  private readonly shelves: ReadonlyArray<Shelf>

  /** The number must be a multiple of that of the partitions, so that all users of a shelf are in one partition. */
  constructor(count: number) {
    this.shelves = Array.from({ length: count }, () => ({ revision: 0 }))
  }

  shelfOf(userId: string): number {
    return partitionOf(userId, this.shelves.length)
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
    const shelf = this.shelves[number]
    if (shelf === undefined) throw new Error(`there is no shelf ${number}`)
    const revisions = together.map(({ key, value }) => `${JSON.stringify(key.slice(accountPrefix.length))}:${value}`)
    return {
      key: shelfPrefix + number,
      value: `{"version":1,"revisions":{${revisions.join(",")}}}`,
      expected: shelf.revision,
      written: (sequence) => {
        shelf.revision = sequence
        for (const { written } of together) written(sequence)
      }
    }
  }
}
