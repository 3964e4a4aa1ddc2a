import { headsStream, inputStream, journalStream } from "../domain/Subject.ts"

/** What people call the streams. */
const storeNames: Readonly<Record<string, string>> = {
  [inputStream]: "the input log",
  [journalStream]: "the journal",
  [headsStream]: "the heads of accounts",
  KV_workers: "the signs of life of workers"
}

/** Each part of the broker's API that is asked, and what it is asked for. */
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

/** Returns what a subject of the broker's API is asked for, in words for people, who never see the subject. */
export const purposeOf = (subject: string): string => {
  const [prefix = "", purpose] = purposes.find(([known]) => subject.startsWith(known)) ?? []
  const [stream = ""] = subject.slice(prefix.length).split(".")
  return purpose === undefined ? "ask the broker" : `${purpose} ${storeNames[stream] ?? "a stream"}`
}
