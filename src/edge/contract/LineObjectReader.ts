import type { EntryRequest } from "../../account/Entry.ts"
import type { FieldProblem } from "./Field.ts"
import { flawProblem, MemberReader, unknownField, type Written } from "./MemberReader.ts"
import type { Problem } from "./Problem.ts"
import { purchaseMembers, purchaseKind, purchaseNames } from "./PurchaseReader.ts"
import { reversalMembers, reversalLineKind, reversalLineNames } from "./ReversalReader.ts"

const onlyOfReversals = ["reversalId", "reason"] as const
const onlyOfPurchases = purchaseNames.filter((name) => !(reversalLineNames as ReadonlyArray<string>).includes(name))

/** Reads lines, one at a time. A line with the member `reversalId` is a reversal, and any other line is a purchase. */
export class LineObjectReader {
  private readonly members = new MemberReader([...purchaseNames, ...onlyOfReversals])

  /**
   * Reads one line. Repeated and unknown keys of a line are refused. `newId` makes the id of a purchase without a
   * purchaseId.
   */
  read(written: Written, newId: () => string): EntryRequest | Problem<FieldProblem> {
    const { members } = this
    const flaw = members.read(written)
    const isReversal = members.has("reversalId")
    const kind = isReversal ? reversalLineKind : purchaseKind
    if (flaw !== undefined) return flawProblem(flaw, written, kind)
    const foreign = isReversal ? onlyOfPurchases : onlyOfReversals
    for (const name of foreign) if (members.has(name)) return unknownField(name, kind.known)
    return isReversal ? reversalMembers(members, newId) : purchaseMembers(members, undefined, newId)
  }
}
