import { Schema } from "effect"

/** Returns a schema of the whole numbers between two bounds. The message of the schema names the bounds. */
export const wholeNumber = (minimum: number, maximum: number) =>
  Schema.Number.check(
    Schema.makeFilter(
      (number: number) =>
        (Number.isInteger(number) && number >= minimum && number <= maximum) ||
        `must be a whole number from ${minimum} to ${maximum}`
    )
  )
