import { type Cents, decimalFromCents } from "../account/Money.ts"

/** A JSON text that `JSON.stringify` writes unchanged. */
export interface RawJson {
  readonly rawJSON: string
}

declare global {
  interface JSON {
    /**
     * Returns a value that `stringify` writes as this JSON text, unchanged (ES2026; not in TypeScript's library yet).
     */
    rawJSON(text: string): RawJson
  }
}

/** Returns an amount that `JSON.stringify` writes as an exact decimal number, like 50.00, whatever its size. */
export const exactAmount = (cents: Cents): RawJson => JSON.rawJSON(decimalFromCents(cents))
