/** The owner of a partition, with its sign of life and its progress. */
interface Ownership {
  readonly owner: string | undefined
  /** The owner's newest sign of life; `undefined` if the owner has left, or gave no sign of life for a minute. */
  readonly sign?: { readonly isAlive: boolean; readonly silentMilliseconds: number } | undefined
  /**
   * The time for which the owner has applied no message although messages wait; `undefined` if the owner makes
   * progress.
   */
  readonly stuckMilliseconds?: number | undefined
}

const seconds = (milliseconds: number): string => {
  const whole = Math.floor(milliseconds / 1_000)
  return whole === 1 ? "1 second" : `${whole} seconds`
}

/**
 * Returns why the purchases of a partition are not applied, as a text for people. Returns `undefined` if the purchases
 * are applied.
 */
export const troubleOf = ({ owner, sign, stuckMilliseconds }: Ownership): string | undefined => {
  if (owner === undefined) return "no worker reads it"
  if (sign === undefined) return `${owner} is gone`
  if (!sign.isAlive) return `${owner} was not heard for ${seconds(sign.silentMilliseconds)}`
  if (stuckMilliseconds === undefined) return undefined
  return `${owner} is alive, and has applied nothing of it for ${seconds(stuckMilliseconds)}`
}
