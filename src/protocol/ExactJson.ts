import { type Cents, decimalFromCents } from "../account/Money.ts"

/** What `JSON.stringify` writes as it stands. */
export interface RawJson {
  readonly rawJSON: string
}

declare global {
  interface JSON {
    /** Puts a JSON text into the output of `stringify` as it stands (ES2026; not in TypeScript's library yet). */
    rawJSON(text: string): RawJson
  }
}

/** An amount that `JSON.stringify` writes as an exact decimal number, like 50.00, of any size. */
export const exactAmount = (cents: Cents): RawJson => JSON.rawJSON(decimalFromCents(cents))
