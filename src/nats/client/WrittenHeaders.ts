import type { MsgHdrs } from "nats"

const encoder = new TextEncoder()

/**
 * Makes the headers of a message to publish. Making an object of the client library's own class for headers takes
 * longer. To publish a message, the client calls only the method `encode`, so the headers have no other method.
 */
export const writtenHeaders = (fields: string): MsgHdrs => {
  const written = { encode: () => encoder.encode(`NATS/1.0\r\n${fields}\r\n`) }
  return written as unknown as MsgHdrs
}
