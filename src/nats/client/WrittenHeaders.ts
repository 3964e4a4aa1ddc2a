import type { MsgHdrs } from "nats"

const encoder = new TextEncoder()

/**
 * Makes the headers of a message to publish. The client library's own class for headers would take longer. The headers
 * have only the method `encode`, because the client calls no other method to publish a message.
 */
export const writtenHeaders = (fields: string): MsgHdrs => {
  const written = { encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }
  return written as unknown as MsgHdrs
}
