import type { HeadTable } from "../ledger/HeadTable.ts"
import type { AccountAudit } from "./AccountAudit.ts"
import type { AuditFindings } from "./AuditFindings.ts"

/** Compares the heads of one partition with the newest revisions of its users. */
export class HeadsAudit {
  readonly partition: number
  /** The sequence of the commit up to which the heads are complete. */
  readonly through: number
  private readonly table: HeadTable
  /** The number of heads that belong to users that were checked. */
  known = 0

  constructor(partition: number, through: number, table: HeadTable) {
    this.partition = partition
    this.through = through
    this.table = table
  }

  /** The memory of the heads, in bytes. */
  get bytes(): number {
    return this.table.bytes
  }

  /**
   * Compares the head of a user, whose `head` has the newest revision up to `through`. A head that names a commit of
   * `unreadable` is not compared.
   */
  check(
    { userToken, head }: Pick<AccountAudit, "userToken" | "head">,
    name: string,
    findings: AuditFindings,
    unreadable: ReadonlyMap<number, number>
  ): void {
    const { table, partition, through } = this
    const found = table.find(userToken)
    if (found !== 0) this.known += 1
    if (found === head || unreadable.has(found)) return
    const named = found === 0 ? "have no head of the user" : `name commit ${found}`
    const newest = head === 0 ? "the user has no revision there" : `the newest revision is in commit ${head}`
    findings.add(`heads of partition ${partition}, user ${name}`, `the heads up to ${through} ${named}, and ${newest}`)
  }

  /** The number of heads. */
  get size(): number {
    return this.table.size
  }
}
