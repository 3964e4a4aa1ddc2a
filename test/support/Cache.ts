import { homedir } from "node:os"
import { join } from "node:path"

/** Returns the directory outside of the project where fetched programs and libraries stay from run to run. */
export const cacheDirectory = (): string => {
  const { PURCHASE_LEDGER_CACHE, XDG_CACHE_HOME } = process.env
  return PURCHASE_LEDGER_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "purchase-ledger")
}
