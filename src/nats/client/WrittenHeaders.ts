import type { MsgHdrs } from "nats"

const encoder = new TextEncoder()

/**
 * Writes headers that this process does not read, for each message that it stores. The client's own class takes longer.
 * Publishing needs only `encode` of it.
 */
export const writtenHeaders = (fields: string): MsgHdrs => {
  const written = { encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }
  return written as unknown as MsgHdrs
}
