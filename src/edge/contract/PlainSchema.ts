import type { JsonSchema } from "effect"

type Json = JsonSchema.JsonSchema

/** The highest number that the format `int32` holds. The lowest number of `int32` is -2^31. */
const int32Max = 2 ** 31 - 1

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Returns the format of a number, by its bounds. Without a format, generated clients hold the number in a float of 32
 * bits.
 */
const numberFormat = ({ type, minimum, maximum }: Json): { readonly format?: string } => {
  if (type === "number") return { format: "double" }
  if (type !== "integer") return {}
  const isSmall = Number(minimum) >= -int32Max - 1 && Number(maximum) <= int32Max
  return { format: isSmall ? "int32" : "int64" }
}

/** Returns the description of a part of `allOf` if the part has nothing but a description; `undefined` otherwise. */
const descriptionOf = (part: unknown): string | undefined =>
  isObject(part) && Object.keys(part).length === 1 && typeof part["description"] === "string"
    ? part["description"]
    : undefined

/** Moves a description out of `allOf`. Generators of clients lose the type of a member that is described in `allOf`. */
const withOwnDescription = ({ allOf, ...schema }: Json): Json => {
  if (!Array.isArray(allOf)) return schema
  const descriptions = allOf.flatMap((part) => descriptionOf(part) ?? [])
  const others = allOf.filter((part) => descriptionOf(part) === undefined)
  return {
    ...schema,
    ...(descriptions.length === 0 ? {} : { description: descriptions.join(" ") }),
    ...(others.length === 0 ? {} : { allOf: others })
  }
}

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  const { type, ...members } = withOwnDescription(value)
  const rest = Object.fromEntries(Object.entries(members).map(([key, member]) => [key, plain(member)]))
  return { ...(type === undefined ? {} : { type: plain(type) }), ...numberFormat(value), ...rest }
}

/**
 * Returns a schema in the form that generators of clients understand. Each number has a format. Each description stands
 * beside the type of the described member.
 */
export const plainSchema = (schema: Json): Json => plain(schema) as Json
