import { messagePurchasesMax } from "../protocol/PurchaseMessage.ts"

/** The places of one message. Each index of a message is below this number. */
const placesOfMessage = 512
if (messagePurchasesMax > placesOfMessage) throw new Error("a message has more purchases than places")

/** Returns the place of a request in the input log as one number, which rises in the order of the log. */
export const placeOf = (inputSequence: number, index: number): number => placesOfMessage * inputSequence + index

/** Returns the sequence of the message of a place. */
export const sequenceOfPlace = (place: number): number => Math.floor(place / placesOfMessage)

/** Returns the index of a place in its message. */
export const indexOfPlace = (place: number): number => place % placesOfMessage

/** Returns the name of a place for people: the sequence of the message, a slash, and the index. */
export const placeText = (place: number): string => `input ${sequenceOfPlace(place)}/${indexOfPlace(place)}`
