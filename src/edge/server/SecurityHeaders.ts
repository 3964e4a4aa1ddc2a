import { Hono } from "hono"
import { secureHeaders } from "hono/secure-headers"

const middleware = secureHeaders({
  // By default an answer is data, and loads nothing. Each HTML page sends a content security policy of its own, under
  // which it loads its files.
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
  // The server itself adds Strict-Transport-Security if it speaks TLS. A proxy that speaks TLS may send
  // Strict-Transport-Security.
  strictTransportSecurity: false,
  // A header is switched off if today's browsers obey another header instead, or if the header concerns content that no
  // answer has.
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false
})

const { headers } = await new Hono().get("/", middleware, (http) => http.body(null)).request("/")

/**
 * The headers of every answer, as pairs of a name and a value. Hono computes the pairs once, when this module loads.
 * The server sends the headers, because feeds and answers to unreadable requests do not pass through Hono.
 */
export const securityHeaders: ReadonlyArray<readonly [string, string]> = [...headers]
