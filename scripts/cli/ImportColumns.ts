import { Schema } from "effect"
import { inNormalForm, productTextProblem, purchaseIdProblem, userIdProblem } from "../../src/account/Identifier.ts"
import { purchaseTotalMax, quantityMax } from "../../src/account/Money.ts"
import { centsOf, decimalOf } from "../../src/client/Amount.ts"
import type { FileRecord } from "./FileRecord.ts"
import { priceProblem } from "./PurchaseArguments.ts"
import { UnusableFile } from "./UnusableFile.ts"

/** The members of a purchase that a file gives, besides its id. */
const contentMembers = ["userId", "productName", "productType", "value", "quantity"] as const
const members = ["purchaseId", ...contentMembers] as const
type Member = (typeof members)[number]

/** The purchase of a record, with all its members. */
export interface ImportedPurchase {
  readonly purchaseId: string
  readonly userId: string
  readonly productName: string
  readonly productType: string
  /** An exact decimal. */
  readonly value: string
  readonly quantity: number
}

type Texts = Readonly<Record<Member, string>>
type Pairs = ReadonlyMap<string, string>

/** Returns the pairs of a text like `value=price,purchaseId=order`. */
export const pairsIn = (text: string): Pairs =>
  new Map(
    text
      .split(",")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const [name = "", ...rest] = pair.split("=")
        return [name, rest.join("=")] as const
      })
  )

/** Returns the schema of pairs whose names are in a list. */
const pairsOf = (names: ReadonlyArray<string>, example: string) =>
  Schema.String.check(
    Schema.makeFilter((text: string) => {
      const pairs = text.split(",").map((pair) => pair.split("=")[0] ?? "")
      const isWrong = [...pairsIn(text)].some(([name, value]) => !names.includes(name) || value === "")
      if (isWrong || pairsIn(text).size !== pairs.length) {
        return `must be pairs like ${example}, each for another one of ${names.join(", ")}`
      }
      return true
    })
  )

export const ColumnMap = pairsOf(members, "value=price,purchaseId=order")
export const ConstantMembers = pairsOf(contentMembers, "productType=Office,quantity=1")

const quantityProblem = (text: string): string | undefined =>
  /^[1-9][0-9]*$/.test(text) && Number(text) <= quantityMax
    ? undefined
    : `must be a whole number from 1 to ${quantityMax}`

const problems: Readonly<Record<Member, (text: string) => string | undefined>> = {
  purchaseId: (text) => purchaseIdProblem(inNormalForm(text)),
  userId: (text) => userIdProblem(inNormalForm(text)),
  productName: (text) => productTextProblem(inNormalForm(text)),
  productType: (text) => productTextProblem(inNormalForm(text)),
  value: priceProblem,
  quantity: quantityProblem
}

const totalProblem = ({ value, quantity }: Texts): string | undefined =>
  centsOf(value) * BigInt(quantity) > purchaseTotalMax
    ? `${value} times ${quantity} is more than ${decimalOf(purchaseTotalMax)}`
    : undefined

/** Says which column of a file, or which constant, gives each member of a purchase. */
export class ImportColumns {
  private readonly map: Pairs
  private readonly constants: Pairs

  /** Throws an UnusableFile if a member has a column and a constant, or if a constant is wrong. */
  constructor(map: Pairs, constants: Pairs) {
    this.map = map
    this.constants = constants
    for (const [member, text] of constants) {
      if (map.has(member)) throw new UnusableFile(`${member} is in --map and in --set. Leave it out of one of them.`)
      const problem = problems[member as Member](text)
      if (problem !== undefined) throw new UnusableFile(`${member} of --set ${problem}, and is "${text}".`)
    }
  }

  /** The name of the column that has the ids, or would have them. */
  get idColumn(): string {
    return this.columnOf("purchaseId")
  }

  /** Returns whether a record has an id of its own. */
  hasId(record: FileRecord): boolean {
    return record.text(this.idColumn) !== undefined
  }

  /** Throws an UnusableFile if the file lacks a column that is needed. */
  check(columns: ReadonlyArray<string>): void {
    for (const member of members) {
      if (this.constants.has(member) || columns.includes(this.columnOf(member))) continue
      if (member === "purchaseId" && !this.map.has(member)) continue
      const set = member === "purchaseId" ? "" : `, or give all lines one value with --set ${member}=VALUE`
      throw new UnusableFile(
        `The file has no column "${this.columnOf(member)}" for ${member}. Its columns are ${columns.join(", ")}. Name the column with --map ${member}=COLUMN${set}.`
      )
    }
  }

  /** Returns the id of a record: its own id, or `idWithout` if the record has no id. */
  idOf(record: FileRecord, idWithout: string): string {
    return record.text(this.idColumn) ?? idWithout
  }

  /** Returns the purchase of a record, or the reason why the record has no purchase. */
  purchaseOf(record: FileRecord, idWithout: string): ImportedPurchase | string {
    if (record.problem !== undefined) return record.problem
    const found: Partial<Record<Member, string>> = { purchaseId: this.idOf(record, idWithout) }
    for (const member of contentMembers) {
      const text = this.constants.get(member) ?? record.text(this.columnOf(member))
      if (text === undefined) return `${this.columnOf(member)} is missing, or is neither text nor a number`
      found[member] = text
    }
    const texts = found as Texts
    for (const member of members) {
      const problem = problems[member](texts[member])
      if (problem !== undefined) return `${this.columnOf(member)} ${problem}, and is "${texts[member]}"`
    }
    return totalProblem(texts) ?? { ...texts, quantity: Number(texts.quantity) }
  }

  private columnOf(member: Member): string {
    return this.map.get(member) ?? member
  }
}
