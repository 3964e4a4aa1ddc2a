import { array, assert, integer, nat, property, tuple } from "fast-check"
import { describe, expect, it } from "vitest"
import { type InputMessage, InputProgress } from "../../src/ledger/InputProgress.ts"

describe("InputProgress", () => {
  it("the position stays before the first unfinished message, for any order in which parts finish", () => {
    const messages = array(tuple(integer({ min: 1, max: 5 }), integer({ min: 1, max: 4 })), { maxLength: 40 })
    assert(
      property(nat({ max: 1_000 }), messages, array(nat(), { maxLength: 200 }), (start, gapsAndParts, order) => {
        const progress = new InputProgress<string>(start)
        expect(progress.position).toBe(start)
        let sequence = start
        const all: Array<InputMessage<string>> = []
        const parts: Array<InputMessage<string>> = []
        for (const [gap, count] of gapsAndParts) {
          sequence += gap
          const message = progress.receive(sequence, count, `m${sequence}`)
          all.push(message)
          for (let part = 0; part < count; part += 1) parts.push(message)
        }
        const finished: Array<InputMessage<string>> = []
        const finishOne = (choice: number) => {
          const [message] = parts.splice(choice % parts.length, 1)
          if (message !== undefined) message.remaining -= 1
          if (choice % 3 === 0) return
          finished.push(...progress.advance())
          const firstOpen = all.findIndex(({ remaining }) => remaining > 0)
          const done = firstOpen === -1 ? all : all.slice(0, firstOpen)
          expect(progress.position).toBe(done.at(-1)?.sequence ?? start)
          expect(finished).toEqual(done)
          expect(progress.size).toBe(all.length - done.length)
        }
        for (const choice of order) if (parts.length > 0) finishOne(choice)
        while (parts.length > 0) finishOne(1)
        finished.push(...progress.advance())
        expect(finished).toEqual(all)
        expect(progress.position).toBe(all.at(-1)?.sequence ?? start)
        expect(progress.advance()).toEqual([])
      })
    )
  })

  it("the progress of input keeps no finished message in memory, however many messages there were", () => {
    const progress = new InputProgress<number>(0)
    const open: Array<InputMessage<number>> = []
    for (let sequence = 1; sequence <= 10_000; sequence += 1) {
      open.push(progress.receive(sequence, 1, sequence))
      if (sequence <= 7) continue
      const first = open.shift()
      if (first !== undefined) first.remaining = 0
      expect(progress.advance().map(({ tag }) => tag)).toEqual([sequence - 7])
      expect(progress.position).toBe(sequence - 7)
    }
    expect(progress.size).toBe(7)
  })
})
