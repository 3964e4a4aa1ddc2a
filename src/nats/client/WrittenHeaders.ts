import type { MsgHdrs } from "nats"

const encoder = new TextEncoder()

/**
 * Makes headers that this process only writes, for each message that it stores. The client's own class takes longer. Of
 * that class, publishing needs only `encode`.
 */
export const writtenHeaders = (fields: string): MsgHdrs => {
  const written = { encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }
  return written as unknown as MsgHdrs
}
