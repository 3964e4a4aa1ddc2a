import { Effect, Layer } from "effect"
import { CommitChain, type JournalRecord } from "../../src/nats/CommitChain.ts"

/**
 * About the most characters of records that the cache keeps. The verification reads a commit once for each of its
 * revisions.
 */
const cachedLengthMax = 256 * 1024 * 1024

/** Returns a chain that keeps the records that were read, because records never change. */
const cached = (chain: (typeof CommitChain)["Service"]): (typeof CommitChain)["Service"] => {
  const records = new Map<number, JournalRecord>()
  let length = 0
  const keep = (record: JournalRecord | undefined): void => {
    if (record === undefined || records.has(record.sequence)) return
    records.set(record.sequence, record)
    length += record.text.length
    for (const [sequence, { text }] of records) {
      if (length <= cachedLengthMax) return
      records.delete(sequence)
      length -= text.length
    }
  }
  return {
    ...chain,
    at: (sequence) =>
      Effect.suspend(() => {
        const record = records.get(sequence)
        if (record === undefined) return Effect.tap(chain.at(sequence), (read) => Effect.sync(() => keep(read)))
        // The record moves to the end, because the record that was used last is forgotten last.
        records.delete(sequence)
        records.set(sequence, record)
        return Effect.succeed(record)
      })
  }
}

/** Puts a cache in front of the chain. */
export const cachedChainLayer = Layer.effect(CommitChain, Effect.map(Effect.service(CommitChain), cached))
