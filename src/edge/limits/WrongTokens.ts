import { hash } from "node:crypto"
import { type Problem, problem } from "../contract/Problem.ts"

/**
 * The default bound on the wrong tokens that a network may send in a window. An honest caller sends few wrong tokens
 * until a person corrects the token.
 */
export const wrongTokensDefault = 100
/** The length of a window in which the wrong tokens of a network are counted, in milliseconds. */
const windowMilliseconds = 60_000
/**
 * The most networks whose wrong tokens are counted at once. Above this number of networks, the oldest window ends
 * early. The library that counts points does not count wrong tokens, because it has no bound on its keys, and callers
 * choose their networks.
 */
const networksMax = 65_536
/** The most right tokens that are remembered. Above this number of tokens, the oldest token is forgotten. */
const rightTokensMax = 16_384

interface Window {
  readonly endsAt: number
  count: number
}

const removeOldest = (map: { readonly keys: () => Iterator<string>; readonly delete: (key: string) => boolean }) => {
  const { value } = map.keys().next()
  if (value !== undefined) map.delete(value)
}

/**
 * Bounds how many wrong tokens a network sends in a minute. A network that sent too many wrong tokens gets 429, and its
 * tokens are not looked up. A token that was right before from the same network is still looked up. So a caller that
 * guesses tokens does not lock out honest callers of its network. Right tokens are kept only as hashes.
 */
export class WrongTokens {
  private readonly max: number
  private readonly now: () => number
  /** The windows in which wrong tokens are counted, by network, with the oldest window first. */
  private readonly windows = new Map<string, Window>()
  private readonly right = new Set<string>()

  constructor(max: number, now: () => number = Date.now) {
    this.max = max
    this.now = now
  }

  /**
   * Returns the problem for a network that has sent too many wrong tokens. Returns `undefined` if the token may be
   * looked up.
   */
  problemOf(network: string, token: string): Problem<"too-many-requests"> | undefined {
    const window = this.windowOf(network)
    if (window === undefined || window.count < this.max || this.right.has(this.keyOf(network, token))) return undefined
    const seconds = Math.max(1, Math.ceil((window.endsAt - this.now()) / 1_000))
    return problem(
      "too-many-requests",
      `Too many wrong tokens came from this address. Wait ${seconds} s, and send a right token.`,
      {
        "retry-after": String(seconds),
        "ratelimit-policy": `"wrong-tokens";q=${this.max};w=${windowMilliseconds / 1_000}`,
        ratelimit: `"wrong-tokens";r=0;t=${seconds}`
      }
    )
  }

  /** Counts a wrong token of a network. */
  wasWrong(network: string): void {
    const window = this.windowOf(network)
    if (window !== undefined) return void (window.count += 1)
    if (this.windows.size >= networksMax) removeOldest(this.windows)
    this.windows.set(network, { endsAt: this.now() + windowMilliseconds, count: 1 })
  }

  /** Remembers that a network has sent a right token. */
  wasRight(network: string, token: string): void {
    const key = this.keyOf(network, token)
    if (this.right.has(key)) return
    if (this.right.size >= rightTokensMax) removeOldest(this.right)
    this.right.add(key)
  }

  /** Returns the running window of a network; `undefined` if the network has no running window. */
  private windowOf(network: string): Window | undefined {
    const window = this.windows.get(network)
    if (window === undefined || window.endsAt > this.now()) return window
    this.windows.delete(network)
    return undefined
  }

  private keyOf(network: string, token: string): string {
    return hash("sha256", `${network} ${token}`, "base64")
  }
}
