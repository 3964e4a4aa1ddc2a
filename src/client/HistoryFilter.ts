/** The conditions on the entries of a history, and their order. An entry has to meet all conditions that are given. */
export interface HistoryFilter {
  /** `newest` or `oldest` first. By default a page has the newest entry first, and an export the oldest. */
  readonly order?: "newest" | "oldest"
  /** The entries were stored at or after this time, like `2026-01-31T12:00:00Z`. */
  readonly from?: string
  /** The entries were stored before this time. */
  readonly to?: string
  /** The numbers of the entries are above this number. */
  readonly after?: number
  /** The numbers of the entries are below this number. */
  readonly before?: number
  /** The entries have this product name. */
  readonly product?: string
  /** The entries have this product type. */
  readonly productType?: string
}

/** Returns the query of a filter, without a question mark. */
export const filterQuery = ({ order, from, to, after, before, product, productType }: HistoryFilter): string => {
  const given = Object.entries({ order, from, to, after, before, product, productType })
  return given
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join("&")
}
