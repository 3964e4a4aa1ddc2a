import type { Context, MiddlewareHandler } from "hono"
import { bodyLimit } from "hono/body-limit"
import { instanceOf, problem, problemResponse } from "./Problem.ts"

/**
 * Refuses bodies above a number of bytes. A declared length is refused by its number, and node holds the sender to it;
 * hono's own limit counts bodies without one. To count all would open a web stream for each request, which costs more
 * than everything else that a purchase costs here.
 */
export const limitBody = (bytesMax: number, detail: string): MiddlewareHandler => {
  const tooLarge = (http: Context) => problemResponse(problem("body-too-large", detail), instanceOf(http))
  const counted = bodyLimit({ maxSize: bytesMax, onError: tooLarge })
  return async (http, next) => {
    const declared = http.req.header("content-length")
    if (declared === undefined || http.req.header("transfer-encoding") !== undefined) return counted(http, next)
    return Number(declared) <= bytesMax ? next() : tooLarge(http)
  }
}
