import { fnv1a } from "../account/TextHash.ts"
import { type IndexedRule, RuleIndex } from "./RuleIndex.ts"
import { decodeStoredRule, ruleLinesOf, splitRuleLine, type StoredRule } from "./RuleSet.ts"

const roomMin = 64
/** The number instead of a slot for a rule that is switched off. A rule that is switched off has no slot. */
const noSlot = -1

interface Bounds {
  readonly from: number | undefined
  readonly until: number | undefined
}

/**
 * A line of a new value of a key `rules.<user>`: the slot of an unchanged rule, or a new or changed rule to add with
 * the hash of the rule's text.
 */
type Line = { readonly slot: number } | { readonly stored: StoredRule; readonly hash: number }

/**
 * Holds the rules of all users as of one sequence of the journal. The fields of the rules are in the index and in
 * arrays, and the texts of the rules are not kept. A million rules thus do not take a million objects.
 */
export class RulesInForce {
  readonly index = new RuleIndex()
  /** The slots of the rules of each user that are switched on, in the order of the lines of the user's newest value. */
  private readonly slots = new Map<string, ReadonlyArray<number>>()
  /** For the rule of each slot: the owner, the id, the number, the version, and the hash of the rule's text. */
  private readonly owners: Array<string> = []
  private readonly ruleIds: Array<string> = []
  private numbers = new Float64Array(roomMin)
  private versions = new Uint32Array(roomMin)
  private hashes = new Uint32Array(roomMin)
  /** The notes and the bounds of rules, by slot. Few rules have a note or a bound. */
  private readonly notes = new Map<number, string>()
  private readonly bounds = new Map<number, Bounds>()

  /**
   * Replaces the rules of one user by the value of the key `rules.<user>` at a sequence of the journal. Does not decode
   * the lines of unchanged rules. If the text is not a set of rules, throws, and changes nothing.
   */
  replace(owner: string, sequence: number, text: string): void {
    const before = this.slots.get(owner) ?? []
    const lines = this.compare(before, ruleLinesOf(text), sequence)
    const kept = new Set(lines.map((line) => ("slot" in line ? line.slot : noSlot)))
    for (const slot of before) if (!kept.has(slot)) this.remove(slot)
    const slots = lines.map((line) => ("slot" in line ? line.slot : this.add(owner, line.stored, line.hash)))
    const inForce = slots.filter((slot) => slot !== noSlot)
    if (inForce.length === 0) this.slots.delete(owner)
    else this.slots.set(owner, inForce)
  }

  /** Returns whether the rule of a slot looks at purchases that were stored at the time `storedAt`. */
  isInForce(slot: number, storedAt: number): boolean {
    const bounds = this.bounds.get(slot)
    if (bounds === undefined) return true
    const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = bounds
    return storedAt >= from && storedAt < until
  }

  numberOf(slot: number): number {
    return this.numbers[slot] as number
  }

  ownerOf(slot: number): string {
    return this.owners[slot] as string
  }

  /** Returns the rule of a slot as it was stored. */
  storedRule(slot: number): StoredRule {
    const bounds = this.bounds.get(slot)
    return {
      ruleId: this.ruleIds[slot] as string,
      number: this.numberOf(slot),
      version: this.versions[slot] as number,
      rule: {
        ...this.index.ruleOf(slot),
        from: bounds?.from,
        until: bounds?.until,
        enabled: true,
        note: this.notes.get(slot) ?? ""
      }
    }
  }

  private compare(before: ReadonlyArray<number>, lines: ReadonlyArray<string>, sequence: number): Array<Line> {
    const slots = new Map(before.map((slot) => [`${this.numbers[slot]} ${this.versions[slot]}`, slot]))
    return lines.map((line) => {
      const { number, version, text } = splitRuleLine(line)
      const hash = fnv1a(text)
      // The number of a rule is the sequence of the first value of the key that has the rule. Nobody knows this
      // sequence before the value is stored, so the rule has 0 as its number in that value. In later values the rule
      // has its number.
      const key = `${number || sequence} ${version}`
      const slot = slots.get(key)
      slots.delete(key)
      return slot !== undefined && this.hashes[slot] === hash
        ? { slot }
        : { stored: decodeStoredRule(line, sequence), hash }
    })
  }

  private add(owner: string, { ruleId, number, version, rule }: StoredRule, hash: number): number {
    if (!rule.enabled) return noSlot
    const { who, scope, measure, within, is, threshold, from, until, note } = rule
    const indexed: IndexedRule = { owner, who, scope, measure, within, is, threshold }
    const slot = this.index.add(indexed)
    if (slot >= this.numbers.length) this.grow()
    this.owners[slot] = owner
    this.ruleIds[slot] = ruleId
    this.numbers[slot] = number
    this.versions[slot] = version
    this.hashes[slot] = hash
    if (note !== "") this.notes.set(slot, note)
    if (from !== undefined || until !== undefined) this.bounds.set(slot, { from, until })
    return slot
  }

  private remove(slot: number): void {
    this.index.remove(slot)
    this.bounds.delete(slot)
    this.notes.delete(slot)
    this.owners[slot] = ""
    this.ruleIds[slot] = ""
  }

  private grow(): void {
    const { numbers, versions, hashes } = this
    this.numbers = new Float64Array(2 * numbers.length)
    this.versions = new Uint32Array(2 * numbers.length)
    this.hashes = new Uint32Array(2 * numbers.length)
    this.numbers.set(numbers)
    this.versions.set(versions)
    this.hashes.set(hashes)
  }
}
