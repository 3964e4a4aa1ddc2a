import type { Reversal } from "../../account/Reversal.ts"
import { writtenBody } from "../contract/MemberReader.ts"
import { ReversalRequest } from "../contract/ReversalReader.ts"
import { oneAsText } from "../posting/TextBody.ts"
import { type EdgeRuntime, orFail } from "../runtime/EdgeRuntime.ts"

/** The largest body of a reversal, in bytes. */
export const reversalBodyBytesMax = 16 * 1024

/** A body with one reversal. The body is read as text, and {@link reversalIn} reads the reversal in the text. */
export const oneReversal = oneAsText("reversal", ReversalRequest, reversalBodyBytesMax)

/** Reads the reversal of a purchase in the text of a body. Fails with a problem if the reversal is wrong. */
export const reversalIn = (
  { reversalReader }: EdgeRuntime,
  body: string,
  purchase: Pick<Reversal, "userId" | "purchaseId">,
  idempotencyKey: string | undefined,
  newId: () => string
) => orFail(reversalReader.read(writtenBody(body), purchase, idempotencyKey, newId))
