import type { Unreadable } from "../domain/PurchaseMessage.ts"

/** Why something of the input log was not applied, with what came: one value of `rejected.<input sequence>.<index>`. */
export interface Rejection extends Unreadable {
  readonly inputSequence: number
}

export const encodeRejection = (rejection: Rejection): string => JSON.stringify({ version: 1, ...rejection })
