import type { Readable } from "node:stream"
import { type Cause, Deferred, Duration, Effect, Exit, Stream } from "effect"
import { type Caller, foreignUser, mayUse } from "../access/Caller.ts"
import { type EntryRequest, isReversalRequest } from "../../account/Entry.ts"
import { bodyBytes } from "./BodyBytes.ts"
import { linesFailure } from "../contract/BodyLimit.ts"
import { type ContentEncoding, UnpackedTooLarge, UnreadableGzip } from "./ContentEncoding.ts"
import { type EdgeRuntime, type EdgeServices, NewId, stopping } from "../runtime/EdgeRuntime.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import { problemOf } from "../contract/FailureProblem.ts"
import { endAnswer, isStored, lineAnswer, type LineResult } from "./LineAnswer.ts"
import { isProblem, type Problem, problem } from "../contract/Problem.ts"
import { type Line, PurchaseLines } from "./LineReader.ts"
import { appliedOf } from "./PurchaseOutcome.ts"
import type { Published, PublishResult } from "../../intake/PublishResult.ts"
import { PurchasePublisher } from "../../intake/PurchasePublisher.ts"
import { outcomeWithin } from "../account/AccountReads.ts"
import { appliedReversalWithin } from "../reversal/ReversalOutcome.ts"

/** The most batches of one body that are read while the caller has not taken their answers. */
export const batchesOpenMax = 16
/** The number of purchases of a batch whose outcome is asked for at once. */
const outcomesAtOnceMax = 256
/** After bytes have come, the next line of a body must be complete within this time, in milliseconds. */
export const lineWithinMilliseconds = 20_000
/** The number of refused lines in a row after which a body is read no further. */
export const refusedInRowMax = 1_000
/**
 * The time between two checks, while a body is read, whether the edge has to stop or the caller's rights have ended.
 */
const stoppedEvery = Duration.millis(100)

/** Returns the problem of a body that cannot be read further. */
const bodyProblem = (cause: unknown): Problem => {
  if (cause instanceof UnpackedTooLarge) return problem("body-too-large", cause.message)
  if (cause instanceof LinesTooSlow) return problem("request-timeout", "The next line took too long to arrive.")
  if (cause instanceof UnreadableGzip) return problem("malformed-request", cause.message)
  return linesFailure(cause)
}

/** The failure of a body that brings bytes, and no line within {@link lineWithinMilliseconds}. */
class LinesTooSlow extends Error {}

/**
 * Reads the lines of a body in batches. Fails if bytes come for too long and make no line, so that nobody holds a body
 * open with a byte now and then.
 */
export async function* batchesOf(body: AsyncIterable<Uint8Array>, lines: PurchaseLines, now: () => number) {
  let begunAt: number | undefined
  for await (const chunk of body) {
    let isProgress = false
    for (const batch of lines.read(chunk)) {
      isProgress = true
      yield batch
    }
    begunAt = isProgress ? undefined : (begunAt ?? now())
    if (begunAt !== undefined && now() - begunAt > lineWithinMilliseconds) throw new LinesTooSlow()
  }
  yield* lines.end()
}

/** Fails when the edge stops, or when the rights of the caller end. */
const untilStopped = (edge: EdgeRuntime, caller: Caller): Effect.Effect<never, Problem> =>
  Effect.suspend(() => {
    const why = edge.isDraining() ? stopping : caller.ended()
    return why === undefined
      ? Effect.andThen(Effect.sleep(stoppedEvery), untilStopped(edge, caller))
      : Effect.fail<Problem>(why)
  })

/** Returns a batch in which each line of a user whose data the caller's token does not give has a problem. */
const ownLines = (caller: Caller, batch: ReadonlyArray<Line>): ReadonlyArray<Line> =>
  caller.users === "all"
    ? batch
    : batch.map((line) =>
        isProblem(line.read) || mayUse(caller, line.read.userId)
          ? line
          : { number: line.number, read: foreignUser(line.read.userId) }
      )

const isRequest = (read: Line["read"]): read is EntryRequest => !isProblem(read)

/** Returns the results of a batch's lines, given the results of its purchases and reversals. */
const resultsOf = Effect.fnUntraced(function* (batch: ReadonlyArray<Line>, published: ReadonlyArray<PublishResult>) {
  const results: Array<LineResult> = []
  let index = 0
  for (const { number, read } of batch) {
    if (!isRequest(read)) {
      results.push({ number, result: read })
      continue
    }
    const exit = published[index]
    index += 1
    if (exit === undefined) return yield* Effect.die("no result of a publish")
    if (Exit.isSuccess(exit)) {
      results.push({ number, result: { request: read, published: exit.value, isRepeat: exit.value.duplicate } })
    } else {
      const failure = failureOf(exit)
      if (failure === undefined) return yield* Effect.failCause(exit.cause as Cause.Cause<never>)
      results.push({ number, result: problemOf(failure) })
    }
  }
  return results
})

/** Waits until the purchase or reversal of a line is applied. Returns `undefined` if no answer comes in time. */
const appliedWithin = Effect.fnUntraced(function* (
  edge: EdgeRuntime,
  request: EntryRequest,
  published: Published,
  waitMilliseconds: number
) {
  if (isReversalRequest(request)) {
    const outcome = appliedReversalWithin(edge, request, published, waitMilliseconds)
    return yield* Effect.orElseSucceed(outcome, () => undefined)
  }
  const entry = yield* outcomeWithin(request, published.sequence, waitMilliseconds)
  return entry === undefined ? undefined : appliedOf(edge, request, published, entry)
})

/**
 * Waits up to `waitSeconds` until the purchase or reversal of a line is applied. If no answer comes within
 * `waitSeconds`, the result says only that the line is stored.
 */
const withOutcome = Effect.fnUntraced(function* (edge: EdgeRuntime, line: LineResult, waitSeconds: number) {
  const { number, result } = line
  if (!isStored(result)) return line
  const { request, published } = result
  const applied = yield* appliedWithin(edge, request, published, waitSeconds * 1_000)
  if (applied === undefined) return line
  return { number, result: isProblem(applied) ? applied : { request, published, ...applied } }
})

const tooManyRefused = problem(
  "malformed-request",
  `${refusedInRowMax} lines in a row were refused, so the body is not read further.`
)

/** Returns whether a line was not stored because of the broker, and not because of the caller. */
const isOfBroker = ({ result }: LineResult): boolean => !isStored(result) && result.status >= 500

/** The options for reading a body of lines. */
export interface LinesOptions {
  readonly encoding: ContentEncoding
  /** The caller, who has to have rights on the user of each line. */
  readonly caller: Caller
  readonly lineBytesMax: number
  /** How long to wait until each stored purchase is applied, in seconds; 0 for no wait. */
  readonly waitSeconds: number
}

/**
 * Stores the purchases and reversals of a body of lines as they come. Answers each line that is not blank, in order.
 * Reads the body no faster than the caller takes answers. If the body cannot be read to its end, the last line of the
 * answer says why.
 */
export const answerLines = Effect.fnUntraced(function* (edge: EdgeRuntime, body: Readable, options: LinesOptions) {
  const { encoding, caller, lineBytesMax, waitSeconds } = options
  const publisher = yield* PurchasePublisher
  const lines = new PurchaseLines(lineBytesMax, yield* NewId)
  const over = yield* Deferred.make<never, Problem>()
  let answered = 0
  let refusedInRow = 0

  /** Counts the lines that were refused in a row, and ends the body after too many refused lines in a row. */
  const countRefused = (part: ReadonlyArray<LineResult>): void => {
    for (const { result } of part) refusedInRow = isStored(result) ? 0 : refusedInRow + 1
    if (refusedInRow >= refusedInRowMax) Deferred.doneUnsafe(over, Effect.fail(tooManyRefused))
  }

  const submit = (batch: ReadonlyArray<Line>) =>
    Effect.map(publisher.submit(batch.map(({ read }) => read).filter(isRequest)), (submitted) =>
      Effect.gen(function* () {
        const results = yield* resultsOf(batch, yield* submitted.results)
        if (waitSeconds === 0) return results
        return yield* Effect.forEach(results, (line) => withOutcome(edge, line, waitSeconds), {
          concurrency: outcomesAtOnceMax
        })
      })
    )

  const answer = (part: ReadonlyArray<LineResult> | Problem): Uint8Array => {
    if (isProblem(part)) return Buffer.from(`${endAnswer(answered, part)}\n`)
    answered = part.at(-1)?.number ?? answered
    const failed = part.find(isOfBroker)
    if (failed !== undefined && !isStored(failed.result)) Deferred.doneUnsafe(over, Effect.fail(failed.result))
    countRefused(part)
    return Buffer.from(part.map((line) => `${lineAnswer(line)}\n`).join(""))
  }

  const batches = Stream.fromAsyncIterable(
    batchesOf(bodyBytes(body, encoding), lines, () => performance.now()),
    bodyProblem
  ).pipe(Stream.interruptWhen(Effect.raceFirst(untilStopped(edge, caller), Deferred.await(over))))
  type Answering = Effect.Effect<ReadonlyArray<LineResult> | Problem, never, EdgeServices>
  return batches.pipe(
    Stream.mapEffect((batch): Effect.Effect<Answering, never, EdgeServices> => submit(ownLines(caller, batch))),
    Stream.catch((why) => Stream.succeed<Answering>(Effect.succeed(why))),
    // Several batches wait for their results at the same time. The answers to batches come in the order of the batches.
    Stream.mapEffect((answering) => answering, { concurrency: batchesOpenMax }),
    Stream.map(answer)
  )
})
