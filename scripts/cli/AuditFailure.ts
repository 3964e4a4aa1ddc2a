/** The audit of the ledger could not be finished, so it says nothing about the ledger. */
export class AuditFailure extends Error {
  /** Whether the command line or a setting has to be changed. Otherwise the same command may succeed later. */
  readonly isUsage: boolean

  constructor(message: string, isUsage: boolean) {
    super(message)
    this.isUsage = isUsage
  }
}
