import type { Delivered } from "../account/Account.ts"
import {
  type DecodedRequest,
  decodePurchases,
  encodePurchaseText,
  encodeReversalText,
  type Unreadable
} from "../protocol/PurchaseMessage.ts"
import { encodeToken, partitionOf } from "../protocol/Subject.ts"
import { subjectUserProblem } from "../protocol/SubjectUser.ts"
import type { Delivery } from "../nats/Delivery.ts"

export interface OwnPartition {
  readonly partition: number
  readonly partitions: number
}

/** The purchases and reversals of one user in a message. */
interface PurchasesOfUser {
  readonly userToken: string
  readonly deliveries: Array<Delivered>
  /**
   * Why the worker cannot apply the user's purchases in this message; `undefined` if the worker can apply these
   * purchases.
   */
  readonly problem: string | undefined
}

const partitionProblem = (userId: string, userToken: string, { partition, partitions }: OwnPartition) => {
  const right = partitionOf(userToken, partitions)
  return right === partition ? undefined : `user ${userId} belongs to partition ${right}, not ${partition}`
}

const requestText = ({ purchase, reversal }: DecodedRequest): string =>
  reversal === undefined ? encodePurchaseText(purchase) : encodeReversalText(reversal)

const deliveredOf = (
  { index, purchase, reversal }: DecodedRequest,
  { sequence, storedAt }: Pick<Delivery, "sequence" | "storedAt">
): Delivered =>
  reversal === undefined
    ? { purchase, inputSequence: sequence, inputIndex: index, storedAt }
    : { reversal, inputSequence: sequence, inputIndex: index, storedAt }

/**
 * Returns the purchases and reversals of a message grouped by user, and the parts of the message that the worker cannot
 * apply.
 */
export const sortDelivery = (
  delivery: Pick<Delivery, "payload" | "sequence" | "storedAt" | "userToken">,
  own: OwnPartition
) => {
  const decoded = decodePurchases(delivery.payload)
  const unreadable: Array<Unreadable> = [...decoded.unreadable]
  const byUser: Array<PurchasesOfUser> = []
  const users = new Map<string, PurchasesOfUser>()
  for (const request of decoded.purchases) {
    const { index } = request
    const { userId } = request.purchase ?? request.reversal
    let ofUser = users.get(userId)
    if (ofUser === undefined) {
      const userToken = encodeToken(userId)
      const problem =
        subjectUserProblem(delivery.userToken, { userId, userToken }) ?? partitionProblem(userId, userToken, own)
      ofUser = { userToken, deliveries: [], problem }
      users.set(userId, ofUser)
      if (problem === undefined) byUser.push(ofUser)
    }
    const { deliveries, problem } = ofUser
    if (problem !== undefined) {
      unreadable.push({ index, reason: problem, payload: requestText(request), encoding: "text" })
    } else deliveries.push(deliveredOf(request, delivery))
  }
  return { byUser, unreadable }
}
