import { type Cents, decimalFromCents } from "../domain/Money.ts"

declare global {
  interface JSON {
    /** Puts a JSON text into the output of `stringify` as it stands (ES2026; not in TypeScript's library yet). */
    rawJSON(text: string): object
  }
}

/** An amount that `JSON.stringify` writes as an exact decimal number, like 50.00, of any size. */
export const exactAmount = (cents: Cents): object => JSON.rawJSON(decimalFromCents(cents))
