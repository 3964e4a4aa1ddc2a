/** A purchase as a test sends it. */
export interface Sold {
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly valueCents: number
  readonly quantity: number
}

export const sold = (userId: string, purchaseId: string, different: Partial<Sold> = {}): Sold => ({
  purchaseId,
  userId,
  productName: "Lamp",
  productType: "Furniture",
  valueCents: 1_050,
  quantity: 2,
  ...different
})

/** Purchases `<prefix>1`, `<prefix>2`, … of one user, each with an amount of its own. */
export const manySold = (userId: string, count: number, prefix = "p"): Array<Sold> =>
  Array.from({ length: count }, (_, index) => sold(userId, `${prefix}${index + 1}`, { valueCents: 100 + index }))

/** Purchases whose texts are as long as they may be, and take three bytes a character. */
export const wideSold = (userId: string, count: number): Array<Sold> => {
  const text = "購".repeat(200)
  return Array.from({ length: count }, (_, index) =>
    sold(userId, `${index}`.padEnd(128, "購"), { productName: text, productType: text })
  )
}

/** A message of the input log, as an edge would write it. */
export const inputMessage = (sales: ReadonlyArray<Sold>): string => JSON.stringify({ version: 1, purchases: sales })

/** The body of `POST /purchases`. */
export const postBody = ({ valueCents, ...rest }: Sold): string => {
  const digits = String(valueCents).padStart(3, "0")
  return `${JSON.stringify(rest).slice(0, -1)},"value":${digits.slice(0, -2)}.${digits.slice(-2)}}`
}

/** Cuts an array into pieces of at most `size`. */
export const piecesOf = <A>(all: ReadonlyArray<A>, size: number): Array<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
