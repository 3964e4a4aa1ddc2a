import { FlatObject, type MemberKind, type ObjectFlaw } from "./FlatObject.ts"
import type { FieldProblem } from "./Field.ts"
import { type Problem, problem } from "./Problem.ts"

/** An object as a caller wrote it: a part of a text, and the word with which messages name that part. */
export interface Written {
  readonly what: "body" | "line"
  readonly text: string
  readonly from: number
  readonly to: number
}

export const writtenBody = (text: string): Written => ({ what: "body", text, from: 0, to: text.length })

export const malformed = (detail: string) => problem("malformed-request", detail)

const irregularProblem = ({ what, text, from, to }: Written, kind: string): Problem<FieldProblem> => {
  let json: unknown
  try {
    json = JSON.parse(text.slice(from, to))
  } catch (cause) {
    return malformed(`The ${what} is not JSON: ${cause instanceof Error ? cause.message : "unreadable"}.`)
  }
  return typeof json !== "object" || json === null || Array.isArray(json)
    ? malformed(`The ${what} must be one JSON object.`)
    : malformed(`Each field of a ${kind} must be a text or a number; nothing is nested.`)
}

/** Returns the problem of a field that an object may not have. `known` are the fields that the object may have. */
export const unknownField = (name: string, known: ReadonlyArray<string>): Problem<FieldProblem> =>
  malformed(`The field ${JSON.stringify(name.slice(0, 40))} is unknown. Known: ${known.join(", ")}.`)

/** The kind of an object, like `purchase`, and the names of the object's fields, for the texts of problems. */
export interface ObjectKind {
  readonly kind: "purchase" | "reversal"
  readonly known: ReadonlyArray<string>
}

/** Returns the problem of an object that was refused. */
export const flawProblem = (flaw: ObjectFlaw, written: Written, { kind, known }: ObjectKind): Problem<FieldProblem> => {
  switch (flaw.kind) {
    case "repeated":
      return malformed(`The key ${flaw.name.slice(0, 40)} is given more than once. Give it once.`)
    case "unknown":
      return unknownField(flaw.name, known)
    case "irregular":
      return irregularProblem(written, kind)
  }
}

/**
 * Reads flat objects from JSON texts, one at a time, and checks their members. All texts share one {@link FlatObject},
 * so that reading a text makes no new object.
 */
export class MemberReader<Name extends string> {
  private readonly indexes: Readonly<Record<string, number>>
  private readonly members: FlatObject

  constructor(names: ReadonlyArray<Name>) {
    this.members = new FlatObject(names)
    this.indexes = Object.fromEntries(names.map((name, index) => [name, index]))
  }

  /** Reads an object. Returns the flaw of the object, or `undefined` if the object has no flaw. */
  read({ text, from, to }: Written): ObjectFlaw | undefined {
    return this.members.read(text, from, to)
  }

  /** Returns whether the object that was read last has a member. */
  has(name: Name): boolean {
    return this.members.kindOf(this.indexOf(name)) !== "none"
  }

  /**
   * Returns the result of the function `rule` for the text of a member. Returns a problem if the member is not of the
   * kind `kind`.
   */
  checked<A>(
    name: Name,
    kind: MemberKind,
    rule: (text: string) => A | Problem<FieldProblem>
  ): A | Problem<FieldProblem> {
    const index = this.indexOf(name)
    return this.members.kindOf(index) === kind
      ? rule(this.members.textOf(index))
      : malformed(`${name} must be a ${kind}.`)
  }

  private indexOf(name: Name): number {
    return this.indexes[name] ?? -1
  }
}
