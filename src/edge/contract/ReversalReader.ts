import { Schema } from "effect"
import type { Reversal } from "../../account/Reversal.ts"
import { idIn } from "./IdOrKey.ts"
import {
  type FieldProblem,
  purchaseIdField,
  quantityField,
  reasonField,
  reversalIdField,
  userIdField
} from "./Field.ts"
import { flawProblem, malformed, MemberReader, type ObjectKind, type Written } from "./MemberReader.ts"
import type { Problem } from "./Problem.ts"

/** The names of the fields in the body of a request that reverses a purchase. */
const reversalNames = ["reversalId", "quantity", "reason"] as const
type Name = (typeof reversalNames)[number]

/** The names of the fields of a reversal in a line of a body. */
export const reversalLineNames = ["reversalId", "userId", "purchaseId", "quantity", "reason"] as const
type LineName = (typeof reversalLineNames)[number]

const bodyKind: ObjectKind = { kind: "reversal", known: reversalNames }
/** The words with which problems name a line with a reversal and its fields. */
export const reversalLineKind: ObjectKind = { kind: "reversal", known: reversalLineNames }

/**
 * Describes the body of a request that reverses a purchase, for the OpenAPI document. ReversalReader reads the body
 * with the same fields.
 */
export const ReversalRequest = Schema.Struct({
  reason: reasonField.documented,
  quantity: Schema.optionalKey(quantityField.documented).annotateKey({
    description:
      "The number of pieces to take back. Without `quantity`, the reversal takes back all pieces that are left."
  }),
  reversalId: Schema.optionalKey(reversalIdField.documented)
}).annotate({ identifier: "ReversalRequest", description: "The body has no key twice." })

/** The parts of a reversal that a caller sends in a body. */
type AskedReversal = Pick<Reversal, "reversalId" | "quantity" | "reason">

const askedIn = (
  members: MemberReader<Name>,
  idempotencyKey: string | undefined,
  newId: () => string
): AskedReversal | Problem<FieldProblem> => {
  if (!members.has("reason")) return malformed("The field reason is missing.")
  const reversalId = idIn(members, "reversalId", reversalIdField, idempotencyKey, newId)
  if (typeof reversalId !== "string") return reversalId
  const reason = members.checked("reason", "text", reasonField.read)
  if (typeof reason !== "string") return reason
  if (!members.has("quantity")) return { reversalId, reason }
  const quantity = members.checked("quantity", "number", quantityField.read)
  return typeof quantity === "number" ? { reversalId, quantity, reason } : quantity
}

/** Returns the reversal in the line that was read last. */
export const reversalMembers = (
  members: MemberReader<LineName>,
  newId: () => string
): Reversal | Problem<FieldProblem> => {
  for (const name of ["userId", "purchaseId"] as const) {
    if (!members.has(name)) return malformed(`The field ${name} is missing.`)
  }
  const userId = members.checked("userId", "text", userIdField.read)
  if (typeof userId !== "string") return userId
  const purchaseId = members.checked("purchaseId", "text", purchaseIdField.read)
  if (typeof purchaseId !== "string") return purchaseId
  const asked = askedIn(members, undefined, newId)
  return "reversalId" in asked ? { userId, purchaseId, ...asked } : asked
}

/** Reads the bodies of requests that reverse a purchase, one at a time. */
export class ReversalReader {
  private readonly members = new MemberReader(reversalNames)

  /**
   * Reads a reversal of a purchase. Repeated and unknown keys of a reversal are refused. If the body has no reversalId,
   * `idempotencyKey` is the id, and without an `idempotencyKey` the function `newId` makes the id.
   */
  read(
    written: Written,
    purchase: Pick<Reversal, "userId" | "purchaseId">,
    idempotencyKey: string | undefined,
    newId: () => string
  ): Reversal | Problem<FieldProblem> {
    const flaw = this.members.read(written)
    if (flaw !== undefined) return flawProblem(flaw, written, bodyKind)
    const asked = askedIn(this.members, idempotencyKey, newId)
    return "reversalId" in asked ? { ...purchase, ...asked } : asked
  }
}
