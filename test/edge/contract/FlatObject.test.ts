import { parse } from "@humanwhocodes/momoa"
import { type Arbitrary, array, assert, constantFrom, json, oneof, property, record, string, tuple } from "fast-check"
import { describe, expect, it } from "vitest"
import { FlatObject, type MemberKind } from "../../../src/edge/contract/FlatObject.ts"

const names = ["userId", "value", "__proto__", "é", ""]
const reader = new FlatObject(names)

interface Read {
  readonly kind: MemberKind
  readonly text: string
}
const read = (text: string, from = 0, to = text.length) => {
  const flaw = reader.read(text, from, to)
  if (flaw !== undefined) return flaw
  return names.map((_, place): Read => {
    const kind = reader.kindOf(place)
    return { kind, text: kind === "text" || kind === "number" ? reader.textOf(place) : "" }
  })
}

const kinds: Readonly<Record<string, MemberKind>> = {
  String: "text",
  Number: "number",
  Boolean: "literal",
  Null: "literal"
}

/** Reads a text by JSON.parse, which decides what is JSON, and by a parser that keeps each text as it was written. */
const readByLibraries = (text: string) => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { kind: "irregular" }
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { kind: "irregular" }
  const { body } = parse(text, { mode: "json", ranges: true })
  const members = body.type === "Object" ? body.members : []
  if (members.some(({ value }) => kinds[value.type] === undefined)) return { kind: "irregular" }
  const found = new Map<string, Read>()
  for (const { name, value } of members) {
    const key = name.type === "String" ? name.value : ""
    if (found.has(key)) return { kind: "repeated", name: key }
    if (!names.includes(key)) return { kind: "unknown", name: key }
    const written = value.type === "Number" ? text.slice(...(value.range ?? [0, 0])) : ""
    found.set(key, { kind: kinds[value.type] ?? "none", text: value.type === "String" ? value.value : written })
  }
  return names.map((name) => found.get(name) ?? { kind: "none", text: "" })
}

const escapes = constantFrom('\\"', "\\\\", "\\/", "\\n", "\\u0041", "\\ud83d\\ude00", "\\ud800", "\\u0000")
const wrongPieces = constantFrom("\\u00", "\\x", "\\", "\0", "\n", '"', "\t")
const plainPieces = oneof(
  string({ maxLength: 4 }).map((text) => text.replaceAll(/["\\]/g, "")),
  constantFrom("\u2028", "é", "\u007f")
)
const textOf = (pieces: ReadonlyArray<string>) => `"${pieces.join("")}"`
const numbers = "0 -0 1 -1 1.005 12.50 0.1 1e400 1E+2 1e-2 9007199254740993".split(" ")
const noNumbers = "01 1. .5 +1 - -a 1e 1e+ 0x10 1_0 NaN Infinity -Infinity tru nul True undefined [ '1'".split(" ")

const sound = {
  space: constantFrom("", "", " ", "\n", "\r\n", "\t"),
  key: constantFrom('"userId"', '"value"', '"__proto__"', '"é"', '""', '"\\u0075serId"', '"v\\u0061lue"'),
  value: oneof(
    array(oneof(escapes, plainPieces), { maxLength: 4 }).map(textOf),
    string({ unit: "grapheme" }).map((text) => JSON.stringify(text)),
    constantFrom(...numbers, "1".repeat(400), "true", "false", "null")
  )
}
const odd = {
  space: constantFrom("\u00a0", "\uFEFF", "\f", "\0", "/**/"),
  key: oneof(constantFrom('"e\u0301"', '"constructor"', "userId", "'value'", '"value" '), sound.value),
  value: oneof(
    array(oneof(escapes, plainPieces, wrongPieces), { maxLength: 4 }).map(textOf),
    constantFrom(...noNumbers, "[]", "{}", "[1]", '{"a":{}}'),
    json()
  )
}
const often = <A>(usual: Arbitrary<A>, unusual: Arbitrary<A>) =>
  oneof({ weight: 60, arbitrary: usual }, { weight: 1, arbitrary: unusual })
const space = often(sound.space, odd.space)
const member = tuple(space, often(sound.key, odd.key), space, space, often(sound.value, odd.value), space).map(
  ([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`
)
const objects = record({
  members: array(member, { maxLength: 4 }),
  before: space,
  after: often(sound.space, constantFrom("x", ",", "}", "{}")),
  separator: often(constantFrom(","), constantFrom(",,", "", ";"))
}).map(({ members, before, after, separator }) => `${before}{${members.join(separator)}}${after}`)

/** Returns the text with one character left out, put in or replaced. */
const damaged = tuple(
  objects,
  string({ unit: constantFrom(...'{}[]":,\\u0e1.-+ \n'), maxLength: 1 }),
  string({ minLength: 1, maxLength: 1 })
).map(([text, into, seed]) => {
  const at = (seed.charCodeAt(0) * 7_919) % (text.length + 1)
  return text.slice(0, at) + into + text.slice(at + (seed.charCodeAt(0) % 2))
})

describe("a flat object", () => {
  it("the reader of flat objects agrees with JSON.parse, and with a parser that keeps all digits and keys", () => {
    const seen = new Map<string, number>()
    assert(
      property(oneof(objects, damaged, json()), (text) => {
        const expected = readByLibraries(text)
        const kind = Array.isArray(expected) ? "read" : expected.kind
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
        expect(read(text)).toEqual(expected)
      }),
      { numRuns: 20_000 }
    )
    // Each kind of outcome occurred.
    expect([...seen.keys()].sort()).toEqual(["irregular", "read", "repeated", "unknown"])
    for (const times of seen.values()) expect(times).toBeGreaterThan(100)
  })

  it("a flat object is read in the same way alone and within a larger text", () => {
    const around = oneof(string({ maxLength: 8 }), constantFrom('"', "{", "}", "1", "\\", "true", ' "value":1}'))
    assert(
      property(around, oneof(objects, damaged), around, (before, text, after) => {
        expect(read(before + text + after, before.length, before.length + text.length)).toEqual(read(text))
      }),
      { numRuns: 5_000 }
    )
  })

  it.each(['{"value":tru', '{"value":1', '{"value":"a', '{"value":"a\\', '{"value":-', '{"value"', "{", ""])(
    "a flat object that is cut off as %j is not read, even if the text around it would complete it",
    (cut) => {
      expect(read(`${cut}e1"":1}`, 0, cut.length)).toEqual({ kind: "irregular" })
    }
  )
})
