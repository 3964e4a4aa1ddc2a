import { Context, Effect, Layer } from "effect"
import { type AppliedNotice, encodeNotices, noticesMax } from "../protocol/AppliedNotice.ts"
import { NoticeTransport } from "../nats/NoticeTransport.ts"

/** Sends notices to edges. All notices of a commit for the same edge are in one message. */
export class NoticeSender extends Context.Service<
  NoticeSender,
  {
    /** Keeps a notice for the next `flush`. */
    readonly add: (edge: string, notice: AppliedNotice) => void
    /** Sends the notices that `add` has kept since the last call of `flush`. */
    readonly flush: () => void
  }
>()("purchases/query/NoticeSender") {
  static readonly layer = Layer.effect(
    NoticeSender,
    Effect.gen(function* () {
      const transport = yield* NoticeTransport
      const waiting = new Map<string, Array<AppliedNotice>>()

      const send = (edge: string) => {
        const notices = waiting.get(edge)
        waiting.delete(edge)
        if (notices !== undefined) transport.tell(edge, encodeNotices(notices))
      }

      return NoticeSender.of({
        add: (edge, notice) => {
          const notices = waiting.get(edge)
          if (notices === undefined) waiting.set(edge, [notice])
          else if (notices.push(notice) === noticesMax) send(edge)
        },
        flush: () => {
          for (const edge of waiting.keys()) send(edge)
        }
      })
    })
  )
}
