import { type IndexedRule, RuleIndex } from "./RuleIndex.ts"
import { decodeStoredRule, ruleLinesOf, type StoredRule } from "./RuleSet.ts"

const roomMin = 64
/** The number that stands for the slot of a rule that is switched off, because such a rule has no slot. */
const noSlot = -1

/** The newest value of a key `rules.<user>`, with the slot of the rule in each line of the value. */
interface OwnerValue {
  readonly sequence: number
  readonly text: string
  readonly slots: ReadonlyArray<number>
}

interface Bounds {
  readonly from: number
  readonly until: number
}

/**
 * A line of a new value of a key `rules.<user>`: the slot of a rule that the value before also had, or a rule to add.
 */
type Line = { readonly slot: number } | { readonly stored: StoredRule }

/**
 * Holds the rules of all users at one place of the ledger. The texts of rules are kept as they were stored. The index
 * and some arrays keep the numbers in the rules, so that a million rules do not take a million objects.
 */
export class RulesInForce {
  readonly index = new RuleIndex()
  private readonly values = new Map<string, OwnerValue>()
  /**
   * For the rule of each slot: the owner, the number, the version, and the index of the rule's line in the owner's
   * value.
   */
  private readonly owners: Array<string> = []
  private numbers = new Float64Array(roomMin)
  private versions = new Uint32Array(roomMin)
  private lines = new Uint16Array(roomMin)
  private readonly bounds = new Map<number, Bounds>()

  /**
   * Replaces the rules of one user by the value of the key `rules.<user>`, which the journal stored at a sequence.
   * Rules whose lines did not change are not decoded. Throws if the text is not a set of rules, and then leaves the
   * rules as they were.
   */
  replace(owner: string, sequence: number, text: string): void {
    const before = this.values.get(owner)
    const lines = this.compare(before, ruleLinesOf(text), sequence)
    const kept = new Set(lines.map((line) => ("slot" in line ? line.slot : noSlot)))
    for (const slot of before?.slots ?? []) if (slot !== noSlot && !kept.has(slot)) this.remove(slot)
    const slots = lines.map((line, index) => {
      const slot = "slot" in line ? line.slot : this.add(owner, line.stored)
      if (slot !== noSlot) this.lines[slot] = index
      return slot
    })
    if (slots.length === 0) this.values.delete(owner)
    else this.values.set(owner, { sequence, text, slots })
  }

  /** Returns whether the rule of a slot is about purchases that were stored at a time. */
  isInForce(slot: number, storedAt: number): boolean {
    const bounds = this.bounds.get(slot)
    return bounds === undefined || (storedAt >= bounds.from && storedAt < bounds.until)
  }

  numberOf(slot: number): number {
    return this.numbers[slot] as number
  }

  ownerOf(slot: number): string {
    return this.owners[slot] as string
  }

  /** Decodes the rule of a slot. */
  storedRule(slot: number): StoredRule {
    const { text, sequence } = this.values.get(this.ownerOf(slot)) as OwnerValue
    return decodeStoredRule(ruleLinesOf(text)[this.lines[slot] as number] ?? "", sequence)
  }

  private compare(before: OwnerValue | undefined, lines: ReadonlyArray<string>, sequence: number): Array<Line> {
    if (before === undefined) return lines.map((line) => ({ stored: decodeStoredRule(line, sequence) }))
    const slots = new Map(ruleLinesOf(before.text).map((line, index) => [line, before.slots[index] as number]))
    return lines.map((line) => {
      const slot = slots.get(line)
      if (slot !== undefined) return { slot }
      const stored = decodeStoredRule(line, sequence)
      // In the value that brings a new rule, the rule's line has 0 instead of the rule's number, because that number is
      // the sequence of the value. Later values have the number in the rule's line. So the line of an unchanged rule may
      // differ from the line of the same rule in the value before.
      const same = before.slots.find((slot) => slot !== noSlot && this.isSame(slot, stored))
      return same === undefined ? { stored } : { slot: same }
    })
  }

  private isSame(slot: number, { number, version }: StoredRule): boolean {
    return this.numbers[slot] === number && this.versions[slot] === version
  }

  private add(owner: string, { number, version, rule }: StoredRule): number {
    if (!rule.enabled) return noSlot
    const { who, scope, measure, within, is, threshold, from, until } = rule
    const indexed: IndexedRule = { owner, who, scope, measure, within, is, threshold }
    const slot = this.index.add(indexed)
    if (slot >= this.numbers.length) this.grow()
    this.owners[slot] = owner
    this.numbers[slot] = number
    this.versions[slot] = version
    if (from !== undefined || until !== undefined) {
      this.bounds.set(slot, { from: from ?? Number.NEGATIVE_INFINITY, until: until ?? Number.POSITIVE_INFINITY })
    }
    return slot
  }

  private remove(slot: number): void {
    this.index.remove(slot)
    this.bounds.delete(slot)
    this.owners[slot] = ""
  }

  private grow(): void {
    const { numbers, versions, lines } = this
    this.numbers = new Float64Array(2 * numbers.length)
    this.versions = new Uint32Array(2 * numbers.length)
    this.lines = new Uint16Array(2 * numbers.length)
    this.numbers.set(numbers)
    this.versions.set(versions)
    this.lines.set(lines)
  }
}
