/** The total and the number of purchases of an account. */
export interface Total {
  readonly count: number
  readonly cents: bigint
}

/** Reads the answer of `GET /users/{id}/total` exactly, without a float. */
export const totalIn = (body: string): Total | undefined => {
  const amount = /"total":(-?[0-9]+)\.([0-9]{2})[,}]/.exec(body)
  const count = /"purchaseCount":([0-9]+)[,}]/.exec(body)
  return amount === null || count === null
    ? undefined
    : { count: Number(count[1]), cents: BigInt(`${amount[1]}${amount[2]}`) }
}
