/** Where callers find the service. */
export interface Located {
  /** Stands before every path that goes out, like `/ledger`: a proxy takes it away from those that come in. */
  readonly pathPrefix?: string
}

/** Returns the reference under which callers find a path of the service. */
export const referenceTo = ({ pathPrefix = "" }: Located, path: string): string => pathPrefix + path

/** Returns the reference of a purchase's receipt. */
export const receiptReference = (located: Located, userId: string, purchaseId: string): string =>
  referenceTo(located, `/users/${encodeURIComponent(userId)}/purchases/${encodeURIComponent(purchaseId)}`)

/** Returns the reference that was asked for, as it was written: a decoded path is no URI reference. */
export const instanceOf = (located: Located, http: { readonly req: { readonly url: string } }): string =>
  referenceTo(located, new URL(http.req.url).pathname)
