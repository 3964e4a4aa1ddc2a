import { Hono } from "hono"
import { secureHeaders } from "hono/secure-headers"

const middleware = secureHeaders({
  // An answer is data. The pages send policies of their own, under which they load their files.
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"]
  },
  crossOriginOpenerPolicy: "same-origin",
  crossOriginResourcePolicy: "same-origin",
  referrerPolicy: "no-referrer",
  xContentTypeOptions: "nosniff",
  // The server does not speak TLS. A proxy that does may send this header.
  strictTransportSecurity: false,
  // The headers above replace these in browsers of today, or they concern other kinds of content.
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false
})

const { headers } = await new Hono().get("/", middleware, (http) => http.body(null)).request("/")

/**
 * The headers of every answer, by their names. Hono makes them once. The server sends them, because feeds and answers to
 * unreadable requests do not pass through hono.
 */
export const securityHeaders: ReadonlyArray<readonly [string, string]> = [...headers]
