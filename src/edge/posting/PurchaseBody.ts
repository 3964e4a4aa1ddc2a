import { Effect, Schema } from "effect"
import { linesMediaType } from "../contract/AnswerSpec.ts"
import type { ContentEncoding } from "./ContentEncoding.ts"
import { type EdgeRuntime, orFail } from "../runtime/EdgeRuntime.ts"
import { encodingOf, oneAsText } from "./TextBody.ts"
import { writtenBody } from "../contract/MemberReader.ts"
import { PurchaseRequest } from "../contract/PurchaseRequest.ts"
import type { Body } from "../route/Route.ts"

/** The largest body of one purchase, in bytes. */
export const purchaseBodyBytesMax = 16 * 1024

/** A body with one purchase. The body is read as text, and {@link purchaseIn} reads the purchase in the text. */
export const onePurchase = oneAsText("purchase", PurchaseRequest, purchaseBodyBytesMax)

/** Reads the purchase in the text of a body. Fails with a problem if the purchase is wrong. */
export const purchaseIn = (
  { purchaseReader }: EdgeRuntime,
  body: string,
  idempotencyKey: string | undefined,
  newId: () => string
) => orFail(purchaseReader.read(writtenBody(body), idempotencyKey, newId))

/**
 * A body with many purchases as lines. `manyPurchases` reads only the content encoding, and the route reads the lines.
 */
export const manyPurchases: Body<{ readonly encoding: ContentEncoding }> = {
  mediaType: linesMediaType,
  asked: `many, one a line, as ${linesMediaType}`,
  documented: Schema.String.annotate({
    description:
      "Any number of lines. A line is a PurchaseRequest, a reversal, or blank. A line with a reversal has `reversalId`, `userId`, `purchaseId`, `quantity` and `reason`."
  }),
  answeredAs: linesMediaType,
  read: (http) => Effect.map(encodingOf(http), (encoding) => ({ encoding }))
}
