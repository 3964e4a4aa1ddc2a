/** Returns the price of some pieces as text, computed without a float. @param {string} price @param {number} pieces */
export const amountOf = (price, pieces) => {
  const cents = BigInt(price.replace(".", "")) * BigInt(pieces)
  const digits = String(cents).padStart(3, "0")
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** Returns a new id. A browser has `randomUUID` only over HTTPS, or if the page comes from the same machine. */
export const newId = () => {
  if (crypto.randomUUID !== undefined) return crypto.randomUUID()
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
