import { alertsStream, headsStream, inputStream, journalStream } from "../../protocol/Subject.ts"

/** The name of each stream in messages to people. */
const storeNames: Readonly<Record<string, string>> = {
  [inputStream]: "the input log",
  [journalStream]: "the journal",
  [headsStream]: "the heads of accounts",
  [alertsStream]: "the alerts",
  KV_workers: "the signs of life of workers",
  KV_tokens: "the tokens of callers",
  AUDIT: "the audit log"
}

/** The purpose of each request to the broker's API, by the beginning of the request's subject. */
const purposes: ReadonlyArray<readonly [prefix: string, purpose: string]> = [
  ["STREAM.INFO.", "read the state of"],
  ["STREAM.CREATE.", "set up"],
  ["STREAM.UPDATE.", "set up"],
  ["STREAM.PURGE.", "clean up"],
  ["STREAM.MSG.GET.", "read"],
  ["DIRECT.GET.", "read"],
  ["CONSUMER.LIST.", "read how much waits in"],
  ["CONSUMER.NAMES.", "find the readers of"],
  ["CONSUMER.CREATE.", "begin to read"],
  ["CONSUMER.DELETE.", "end the reading of"]
]

/**
 * Returns the purpose of a request to the broker's API, as a verb for messages to people. Messages to people name the
 * purpose of a request, and not the subject.
 */
export const purposeOf = (subject: string): string => {
  const [prefix = "", purpose] = purposes.find(([known]) => subject.startsWith(known)) ?? []
  const [stream = ""] = subject.slice(prefix.length).split(".")
  return purpose === undefined ? "ask the broker" : `${purpose} ${storeNames[stream] ?? "a stream"}`
}
