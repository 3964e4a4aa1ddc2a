/**
 * The header with the name of the host. The edge refuses a request whose host is not one of its names. Each edge on the
 * loopback interface has the name `localhost`.
 */
const host = "host: localhost"

/** Returns the header with a caller's token as a line of a request; an empty text without a token. */
const authorization = (token: string | undefined): string =>
  token === undefined ? "" : `authorization: Bearer ${token}\r\n`

/** Returns the text of a GET request. */
export const getRequest = (path: string, token?: string): string =>
  `GET ${path} HTTP/1.1\r\n${host}\r\n${authorization(token)}\r\n`

/**
 * Returns the text of a request that posts one purchase. The request asks for its answer when the purchase is in the
 * state `until`.
 */
export const postRequest = (body: string, until: "applied" | "stored", token?: string): string => {
  const prefer = until === "applied" ? "prefer: wait=5\r\n" : ""
  const length = Buffer.byteLength(body)
  return `POST /purchases HTTP/1.1\r\n${host}\r\ncontent-type: application/json\r\n${authorization(token)}${prefer}content-length: ${length}\r\n\r\n${body}`
}
