import type { FloorAccount } from "./FloorAccount.ts"

/**
 * The most accounts that one call of `evict` examines. Examined accounts that are in use go to the end, so that the
 * next call examines other accounts.
 */
const evictionLooksMax = 2_000

/** Keeps the accounts in memory, in the order of their last use, and the accounts that are being read. */
export class ResidentAccounts {
  private readonly max: number
  private readonly resident = new Map<string, FloorAccount>()
  private readonly loading = new Map<string, Promise<FloorAccount>>()

  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.resident.size
  }

  /**
   * Returns an account, and loads it if it is not in memory. Callers that come while the account is loaded share the
   * load.
   */
  get(userToken: string, load: () => FloorAccount | Promise<FloorAccount>): FloorAccount | Promise<FloorAccount> {
    const known = this.resident.get(userToken)
    if (known !== undefined) {
      if (this.max < Number.POSITIVE_INFINITY) {
        this.resident.delete(userToken)
        this.resident.set(userToken, known)
      }
      return known
    }
    const underWay = this.loading.get(userToken)
    if (underWay !== undefined) return underWay
    const found = load()
    if (!(found instanceof Promise)) {
      this.resident.set(userToken, found)
      return found
    }
    const loaded = found.then((account) => {
      this.loading.delete(userToken)
      this.resident.set(userToken, account)
      return account
    })
    this.loading.set(userToken, loaded)
    return loaded
  }

  /** Drops the longest unused accounts while too many accounts are in memory. */
  evict(): void {
    let looks = evictionLooksMax
    for (const [userToken, account] of this.resident) {
      if (this.resident.size <= this.max || looks === 0) return
      looks -= 1
      this.resident.delete(userToken)
      if (!account.isIdle) this.resident.set(userToken, account)
    }
  }
}
