/** The address at which callers find the service. */
export interface Located {
  /** The prefix of every path in answers, like `/ledger`. A proxy removes the prefix from the paths of requests. */
  readonly pathPrefix?: string
}

/** Returns the URI reference under which callers find a path of the service. */
export const referenceTo = ({ pathPrefix = "" }: Located, path: string): string => pathPrefix + path

/** Returns the URI reference of a purchase's receipt. */
export const receiptReference = (located: Located, userId: string, purchaseId: string): string =>
  referenceTo(located, `/users/${encodeURIComponent(userId)}/purchases/${encodeURIComponent(purchaseId)}`)

/** Returns the URI reference of a reversal's receipt. */
export const reversalReference = (located: Located, userId: string, reversalId: string): string =>
  referenceTo(located, `/users/${encodeURIComponent(userId)}/reversals/${encodeURIComponent(reversalId)}`)

/** Returns the URI reference of a user's rule. */
export const ruleReference = (located: Located, userId: string, ruleId: string): string =>
  referenceTo(located, `/users/${encodeURIComponent(userId)}/rules/${encodeURIComponent(ruleId)}`)

/** Returns the path of a request as it was written: a decoded path is not a URI reference. */
export const instanceOf = (located: Located, http: { readonly req: { readonly url: string } }): string =>
  referenceTo(located, new URL(http.req.url).pathname)
