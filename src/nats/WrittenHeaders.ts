import type { MsgHdrs } from "nats"

const encoder = new TextEncoder()

/**
 * Headers that are written once and never read. The client's own class costs 1.6 µs for the three headers of a batch
 * member against 0.2 µs here, up to a thousand times a commit; the client asks of headers to publish only `encode`.
 */
export const writtenHeaders = (fields: string): MsgHdrs => {
  const written = { encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }
  return written as unknown as MsgHdrs
}
