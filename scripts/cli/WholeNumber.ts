import { Schema } from "effect"

/** Takes a whole number between two bounds, and says which they are. */
export const wholeNumber = (minimum: number, maximum: number) =>
  Schema.Number.check(
    Schema.makeFilter(
      (number: number) =>
        (Number.isInteger(number) && number >= minimum && number <= maximum) ||
        `must be a whole number from ${minimum} to ${maximum}`
    )
  )
