import type { Reversal } from "../../account/Reversal.ts"
import { jsonMediaType } from "../contract/AnswerSpec.ts"
import { writtenBody } from "../contract/MemberReader.ts"
import { problem } from "../contract/Problem.ts"
import { ReversalRequest } from "../contract/ReversalReader.ts"
import { textOfBody } from "../posting/TextBody.ts"
import type { Body } from "../route/Route.ts"
import { type EdgeRuntime, orFail } from "../runtime/EdgeRuntime.ts"

/** The largest body of a reversal, in bytes. */
export const reversalBodyBytesMax = 16 * 1024

const tooLarge = problem("body-too-large", `A reversal has at most ${reversalBodyBytesMax} bytes.`)

/** A body with one reversal. The body is read as text, and {@link reversalIn} reads the reversal in the text. */
export const oneReversal: Body<string> = {
  mediaType: jsonMediaType,
  asked: `one reversal as ${jsonMediaType}`,
  documented: ReversalRequest,
  answeredAs: jsonMediaType,
  read: (http) => textOfBody(http, reversalBodyBytesMax, tooLarge)
}

/** Reads the reversal of a purchase in the text of a body. Fails with the problem of a wrong reversal. */
export const reversalIn = (
  { reversalReader }: EdgeRuntime,
  body: string,
  purchase: Pick<Reversal, "userId" | "purchaseId">,
  idempotencyKey: string | undefined,
  newId: () => string
) => orFail(reversalReader.read(writtenBody(body), purchase, idempotencyKey, newId))
