import type { Msg } from "nats"
import { noticeHeader, traceHeader, tracesOfMessageMax, userTokenOfInput } from "../protocol/Subject.ts"
import { type AckSubject, isAckSubject, readAckSubject } from "./client/AckSubject.ts"

/**
 * The most bytes of the headers of a message. The computed size of a delivery must never be below the size that the
 * broker counts.
 */
const headerBytesMax = 512 + tracesOfMessageMax * 80

/** A message of the input log that the broker has delivered to a worker. */
export interface Delivery extends AckSubject {
  readonly payload: Uint8Array
  /** The token of the user for whom the message was sent; `undefined` for a message with several purchases. */
  readonly userToken: string | undefined
  /** The size of the delivery in bytes, as the broker counts it against a pull request. */
  readonly bytes: number
  /** The address to which a worker sends the notices of the message; `undefined` if the sender wants no notices. */
  readonly noticeTo: string | undefined
  /** The traces of the requests whose purchases are in the message; `undefined` if no request was traced. */
  readonly traceparents: ReadonlyArray<string> | undefined
  /** The subject on which the worker acknowledges the delivery. */
  readonly acknowledgeSubject: string
}

/**
 * A delivery whose payload is decoded, without the payload. A worker does not keep the payload until the purchases are
 * committed.
 */
export type ReadDelivery = Omit<Delivery, "payload" | "userToken">

/**
 * Returns whether a message that came for a pull request is a delivery. All other messages for pull requests are
 * statuses of the broker.
 */
export const isDelivery = (message: Msg): boolean => message.reply !== undefined && isAckSubject(message.reply)

/** Returns the delivery in a message that came for a pull request. */
export const deliveryOf = (message: Msg): Delivery => {
  const acknowledgeSubject = message.reply ?? ""
  const { subject } = message
  return {
    ...readAckSubject(acknowledgeSubject),
    payload: message.data,
    userToken: userTokenOfInput(subject),
    bytes: message.data.length + subject.length + acknowledgeSubject.length + headerBytesMax,
    noticeTo: message.headers?.get(noticeHeader) || undefined,
    traceparents: message.headers?.has(traceHeader) === true ? message.headers.values(traceHeader) : undefined,
    acknowledgeSubject
  }
}
