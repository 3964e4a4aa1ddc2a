import type { Caller } from "./Caller.ts"

/** The header `Authorization` of a connection's newest identified request, with the caller of the request. */
interface Known {
  readonly header: string
  readonly caller: Caller
}

/**
 * Returns whether two texts are equal. The time of the comparison depends only on the lengths of the texts, and tells
 * nothing else about a token.
 */
const isSameText = (one: string, other: string): boolean => {
  if (one.length !== other.length) return false
  let difference = 0
  for (let at = 0; at < one.length; at += 1) difference |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return difference === 0
}

/**
 * Remembers the newest caller of each open connection. If a request has the same header `Authorization` as the request
 * before it on the connection, the edge does not hash and look up the token again.
 */
export class ConnectionCallers {
  private readonly known = new WeakMap<object, Known>()

  /** Returns the caller of a connection that sent this header before; `undefined` if the token has to be checked. */
  find(connection: object, header: string): Caller | undefined {
    const known = this.known.get(connection)
    return known !== undefined && isSameText(known.header, header) && known.caller.isCurrent()
      ? known.caller
      : undefined
  }

  /** Remembers the caller that was identified by a header of a connection. */
  keep(connection: object, header: string, caller: Caller): void {
    this.known.set(connection, { header, caller })
  }
}
