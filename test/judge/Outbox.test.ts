import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Outbox } from "../../src/judge/Outbox.ts"
import { alertMessagesMax } from "../../src/nats/AlertStream.ts"
import type { AlertPosition } from "../../src/protocol/AlertPosition.ts"

/** The number of messages with alerts of each commit. The first commit has the sequence 1. */
const anyCommits = fc.array(fc.oneof(fc.constant(0), fc.nat(5), fc.nat(2_500)), { minLength: 1, maxLength: 12 })

/** Returns the number of messages with alerts before a position. */
const coveredBy = ({ through, messages }: AlertPosition, commits: ReadonlyArray<number>): number =>
  commits.slice(0, through).reduce((sum, count) => sum + count, 0) + messages

describe("The outbox of a judge", () => {
  it("each message of the outbox is stored once and in order, whenever a judge dies and another goes on", () => {
    fc.assert(
      fc.property(anyCommits, fc.infiniteStream(fc.boolean()), (commits, isDue) => {
        const stored: Array<string> = []
        let position: AlertPosition = { through: 0, messages: 0 }
        const take = (outbox: Outbox) => {
          const batch = outbox.take()
          expect(batch.messages.length).toBeLessThanOrEqual(alertMessagesMax)
          stored.push(...batch.messages.map(({ text }) => text))
          expect(coveredBy(batch.position, commits)).toBe(stored.length)
          position = batch.position
        }
        /**
         * Judges the commits behind the stored position. Returns whether all commits were judged and all alerts stored
         * before the judge died.
         */
        const judge = (): boolean => {
          const outbox = new Outbox(position)
          for (let sequence = position.through + 1; sequence <= commits.length; sequence += 1) {
            const skipped = outbox.begin(sequence)
            for (let number = skipped + 1; number <= (commits[sequence - 1] ?? 0); number += 1) {
              outbox.add({ ownerToken: "ann", text: `${sequence}.${number}` })
              if (!outbox.hasRoom.openUnsafe() && isDue.next().value === true) take(outbox)
            }
            outbox.judged(sequence)
            if (isDue.next().value === true) take(outbox)
            if (isDue.next().value === true && isDue.next().value === true) return false
          }
          while (position.through < commits.length) take(outbox)
          return true
        }
        while (!judge()) continue
        const all = commits.flatMap((count, index) =>
          Array.from({ length: count }, (_, at) => `${index + 1}.${at + 1}`)
        )
        expect(stored).toEqual(all)
      }),
      { numRuns: 50 }
    )
  })
})
