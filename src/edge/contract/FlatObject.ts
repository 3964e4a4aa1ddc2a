/**
 * The kind of a member: a text, a number, a literal (true, false, null), or `none` if the object has no such member.
 */
export type MemberKind = "none" | "text" | "number" | "literal"

/**
 * Why an object was refused. `irregular`: the text is not JSON, the JSON is not an object, or a member of the object is
 * nested.
 */
export type ObjectFlaw =
  | { readonly kind: "irregular" }
  | { readonly kind: "repeated" | "unknown"; readonly name: string }

const irregular: ObjectFlaw = { kind: "irregular" }
const literals = ["true", "false", "null"]

const code = (character: string): number => character.charCodeAt(0)
const quote = code('"')
const backslash = code("\\")
const braceOpen = code("{")
const braceClose = code("}")
const colon = code(":")
const comma = code(",")
const minus = code("-")
const plus = code("+")
const point = code(".")
const digit0 = code("0")
const digit9 = code("9")
const space = code(" ")
const tab = code("\t")
const lineFeed = code("\n")
const carriageReturn = code("\r")
const exponents = [code("e"), code("E")]

/**
 * Reads flat JSON objects with a fixed set of names out of a larger text, in one pass. Accepts exactly the flat objects
 * that JSON.parse accepts. JSON.parse rounds numbers, and keeps the last of repeated keys. The class FlatObject keeps
 * numbers as they were written, and finds repeated keys. A parser that makes a tree of objects would cost much more
 * than a FlatObject. The reader keeps the members of the object that was read last until the next object is read.
 */
export class FlatObject {
  private readonly names: ReadonlyArray<string>
  private readonly kinds: Array<MemberKind>
  private readonly texts: Array<string>
  private text = ""
  private at = 0
  private end = 0

  constructor(names: ReadonlyArray<string>) {
    this.names = names
    this.kinds = names.map(() => "none")
    this.texts = names.map(() => "")
  }

  /** Returns the kind of the member whose name has this index in the set of names. */
  kindOf(name: number): MemberKind {
    return this.kinds[name] ?? "none"
  }

  /**
   * Returns the text of the member whose name has this index: a text without escapes, or a number as it was written.
   */
  textOf(name: number): string {
    return this.texts[name] ?? ""
  }

  /**
   * Reads the object between two indexes of a text. Returns the flaw of the object, or `undefined` if the object has no
   * flaw.
   */
  read(text: string, from: number, to: number): ObjectFlaw | undefined {
    this.text = text
    this.at = from
    this.end = to
    this.kinds.fill("none")
    let flaw: ObjectFlaw | undefined
    if (!this.takes(braceOpen)) return irregular
    this.skipSpace()
    if (this.code() === braceClose) this.at += 1
    else {
      do {
        this.skipSpace()
        if (this.code() !== quote) return irregular
        const opened = this.at
        const isPlain = this.skipText()
        if (isPlain === undefined) return irregular
        const member = isPlain ? this.indexOf(opened + 1, this.at - 1) : -1
        // A name that is written with escapes may still be in the set of names.
        const written = member < 0 ? this.textFrom(opened, isPlain) : ""
        if (written === undefined) return irregular
        const name = member < 0 ? this.names.indexOf(written) : member
        if (!this.takes(colon)) return irregular
        this.skipSpace()
        const kind = this.takeValue(name)
        if (kind === undefined) return irregular
        if (name < 0) flaw ??= { kind: "unknown", name: written }
        else if (this.kinds[name] === "none") this.kinds[name] = kind
        else flaw ??= { kind: "repeated", name: this.names[name] ?? "" }
      } while (this.takes(comma))
      if (!this.takes(braceClose)) return irregular
    }
    this.skipSpace()
    return this.at === this.end ? flaw : irregular
  }

  private code(): number {
    return this.at < this.end ? this.text.charCodeAt(this.at) : -1
  }

  private skipSpace(): void {
    for (let next = this.code(); ; next = this.code()) {
      if (next !== space && next !== lineFeed && next !== carriageReturn && next !== tab) return
      this.at += 1
    }
  }

  private takes(wanted: number): boolean {
    this.skipSpace()
    if (this.code() !== wanted) return false
    this.at += 1
    return true
  }

  /**
   * Steps over a text and its quotes. Returns whether the text is free of escapes; `undefined` if it is not a JSON
   * text.
   */
  private skipText(): boolean | undefined {
    const { text, end } = this
    let isPlain = true
    for (let at = this.at + 1; at < end; at += 1) {
      const next = text.charCodeAt(at)
      if (next === quote) {
        this.at = at + 1
        return isPlain
      }
      if (next < space) return undefined
      if (next === backslash) {
        isPlain = false
        at += 1
      }
    }
    return undefined
  }

  /** Returns the text whose first quote is at `opened` and which {@link skipText} has just stepped over. */
  private textFrom(opened: number, isPlain: boolean): string | undefined {
    if (isPlain) return this.text.slice(opened + 1, this.at - 1)
    try {
      return JSON.parse(this.text.slice(opened, this.at)) as string
    } catch {
      return undefined
    }
  }

  private indexOf(from: number, to: number): number {
    const { names, text } = this
    const length = to - from
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index] ?? ""
      if (name.length === length && text.startsWith(name, from)) return index
    }
    return -1
  }

  /**
   * Takes the value at the current index. Keeps the text of the value if `name` is an index of the set of names, and
   * not -1.
   */
  private takeValue(name: number): MemberKind | undefined {
    const opened = this.at
    const first = this.code()
    if (first === quote) {
      const isPlain = this.skipText()
      const value = isPlain === undefined ? undefined : this.textFrom(opened, isPlain)
      if (value === undefined) return undefined
      if (name >= 0) this.texts[name] = value
      return "text"
    }
    if (first === minus || (first >= digit0 && first <= digit9)) {
      if (!this.skipNumber()) return undefined
      if (name >= 0) this.texts[name] = this.text.slice(opened, this.at)
      return "number"
    }
    const literal = literals.find((word) => this.text.startsWith(word, opened))
    if (literal === undefined) return undefined
    // If the literal reaches past `end`, no closing brace is found, and the object is refused.
    this.at += literal.length
    return "literal"
  }

  private skipNumber(): boolean {
    if (this.code() === minus) this.at += 1
    if (this.code() === digit0) this.at += 1
    else if (!this.skipDigits()) return false
    if (this.code() === point) {
      this.at += 1
      if (!this.skipDigits()) return false
    }
    if (exponents.includes(this.code())) {
      this.at += 1
      const sign = this.code()
      if (sign === plus || sign === minus) this.at += 1
      return this.skipDigits()
    }
    return true
  }

  private skipDigits(): boolean {
    const before = this.at
    for (let next = this.code(); next >= digit0 && next <= digit9; next = this.code()) this.at += 1
    return this.at > before
  }
}
