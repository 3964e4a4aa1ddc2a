/** A purchase as a test sends it. */
export interface Sold {
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  readonly valueCents: number
  readonly quantity: number
}

/** A reversal as a test sends it. A reversal without a quantity takes back all pieces that are left. */
export interface Reversed {
  readonly reversalId: string
  readonly userId: string
  readonly purchaseId: string
  readonly quantity?: number
  readonly reason: string
}

/** Returns a purchase with default content. */
export const sold = (userId: string, purchaseId: string, different: Partial<Sold> = {}): Sold => ({
  purchaseId,
  userId,
  productName: "Lamp",
  productType: "Furniture",
  valueCents: 1_050,
  quantity: 2,
  ...different
})

/** Returns the purchases `<prefix>1`, `<prefix>2`, … of one user, each with a different amount. */
export const manySold = (userId: string, count: number, prefix = "p"): Array<Sold> =>
  Array.from({ length: count }, (_, index) => sold(userId, `${prefix}${index + 1}`, { valueCents: 100 + index }))

/** Returns purchases with texts of the greatest length, whose characters take three bytes each. */
export const wideSold = (userId: string, count: number): Array<Sold> => {
  const text = "購".repeat(200)
  return Array.from({ length: count }, (_, index) =>
    sold(userId, `${index}`.padEnd(128, "購"), { productName: text, productType: text })
  )
}

/** Returns the payload of a message of the input log, as an edge writes it. */
export const inputMessage = (sales: ReadonlyArray<Sold>): string => JSON.stringify({ version: 1, purchases: sales })

/** Returns the body of `POST /purchases`. */
export const postBody = ({ valueCents, ...rest }: Sold): string => {
  const digits = String(valueCents).padStart(3, "0")
  return `${JSON.stringify(rest).slice(0, -1)},"value":${digits.slice(0, -2)}.${digits.slice(-2)}}`
}

/** Cuts an array into pieces of at most `size` members. */
export const piecesOf = <A>(all: ReadonlyArray<A>, size: number): Array<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
