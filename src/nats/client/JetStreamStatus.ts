import type { Msg } from "nats"

const heartbeatCode = 100
const endOfBatchCode = 204
const notFoundCode = 404
const noRespondersCode = 503

const goneDescription = /consumer (deleted|not found)|no responders|server shutdown|leadership change/i
const oversizedDescription = /message size exceeds maxbytes/i

/** Returns the status code of a message from the broker itself; 0 for a message that another program published. */
export const statusOf = (message: Msg): number => message.headers?.code ?? 0

const descriptionOf = (message: Msg): string => message.headers?.description ?? ""

/** Returns the broker's reason why a read failed. */
export const reasonOf = (message: Msg): string => message.headers?.description ?? "it gave no reason"

/** Returns whether a message only says that a pull request or a consumer is alive. */
export const isHeartbeat = (message: Msg): boolean => statusOf(message) === heartbeatCode

/** Returns whether a message says that the broker has sent all messages that fit the request. */
export const isEndOfBatch = (message: Msg): boolean => statusOf(message) === endOfBatchCode

/** Returns whether a message says that the broker found no message that fits the request. */
export const isNotFound = (message: Msg): boolean => statusOf(message) === notFoundCode

/**
 * Returns whether a message says that nobody listens on the subject of a request. The broker's message that a subject
 * has no listener has no payload.
 */
export const isUnserved = (message: Msg): boolean =>
  message.data.length === 0 && message.headers?.code === noRespondersCode

/** Returns whether a message says that the consumer of a pull request no longer exists. */
export const isGone = (message: Msg): boolean =>
  statusOf(message) === noRespondersCode || goneDescription.test(descriptionOf(message))

/** Returns the broker's reason why a consumer no longer exists. */
export const goneReasonOf = (message: Msg): string =>
  descriptionOf(message) === "" ? "the broker does not know it" : descriptionOf(message).toLowerCase()

/** Returns whether a message says that the next message of the stream has more bytes than the pull request allows. */
export const isOversized = (message: Msg): boolean => oversizedDescription.test(descriptionOf(message))
