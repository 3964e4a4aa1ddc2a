import { inNormalForm } from "../../account/Identifier.ts"
import type { Field, FieldProblem } from "./Field.ts"
import { malformed, type MemberReader } from "./MemberReader.ts"
import type { Problem } from "./Problem.ts"

/**
 * Returns the id of the object that was read last. If the object has no member with the id, the id is the
 * Idempotency-Key. Without a member and an Idempotency-Key, `newId` makes the id. Returns a problem if the member and
 * the Idempotency-Key differ.
 */
export const idIn = <Name extends string, Id extends string>(
  members: MemberReader<Name>,
  name: Name,
  field: Field<Id>,
  idempotencyKey: string | undefined,
  newId: () => string
): Id | Problem<FieldProblem> => {
  if (!members.has(name)) return field.read(idempotencyKey ?? newId())
  if (idempotencyKey !== undefined) {
    const named = members.checked(name, "text", inNormalForm)
    if (typeof named === "string" && named !== inNormalForm(idempotencyKey)) {
      return malformed(`${name} and Idempotency-Key differ: send one of them.`)
    }
  }
  return members.checked(name, "text", field.read)
}
