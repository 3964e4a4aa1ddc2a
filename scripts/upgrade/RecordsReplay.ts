import { Effect } from "effect"
import { decodeRejection } from "../../src/protocol/Rejection.ts"
import { decodeReplay, type Replay } from "../../src/protocol/Replay.ts"
import { RejectedRecords } from "../../src/nats/RejectedRecords.ts"
import { type FormerLedger, formerFilter, type FormerValue, placeOfKey } from "./FormerLedger.ts"

/** The records of one page that are looked up at once. */
const lookUpsMax = 16

/** The number of written records and of written steps of replays. */
export interface WrittenRecords {
  readonly rejected: number
  readonly steps: number
}

/** Returns whether a record is the newest of its key: a worker that crashed may have written the same record twice. */
const isNewest = (former: FormerLedger) => (value: FormerValue) =>
  Effect.map(former.newestOf(value.key), (sequence) => sequence === value.sequence)

/** Calls `take` once for each rejected record of the former layout. */
export const eachRejection = <E, R>(former: FormerLedger, take: (value: FormerValue) => Effect.Effect<void, E, R>) =>
  former.eachPage(formerFilter.rejected, (page) =>
    Effect.flatMap(Effect.filter(page, isNewest(former), { concurrency: lookUpsMax }), (once) =>
      Effect.forEach(once, take, { discard: true })
    )
  )

/** Writes the rejected records, and the steps of their replays, in the order of the former layout. */
export const replayRecords = Effect.fnUntraced(function* (former: FormerLedger) {
  const records = yield* RejectedRecords
  let rejected = 0
  let steps = 0

  yield* eachRejection(former, ({ text }) => {
    rejected += 1
    return records.record(decodeRejection(text))
  })

  const takeStep = Effect.fnUntraced(function* ({ key, text }: FormerValue) {
    const place = placeOfKey(key)
    const before = yield* records.replay(place)
    yield* records.step(place, decodeReplay(text), before?.sequence ?? 0)
    steps += 1
  })
  yield* former.eachPage(formerFilter.replayed, (page) => Effect.forEach(page, takeStep, { discard: true }))
  return { rejected, steps }
})

/** Returns the content of a step, without the time at which it was stored. */
export const stepContent = ({ state, purchase, inputSequence }: Replay): Replay => ({
  state,
  purchase,
  ...(inputSequence === undefined ? {} : { inputSequence })
})
