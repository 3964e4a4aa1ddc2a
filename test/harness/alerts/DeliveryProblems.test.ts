import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { CheckedRecord } from "../../../src/harness/alerts/AlertCheck.ts"
import { deliveryProblems, type ReceivedAttempt } from "../../../src/harness/alerts/DeliveryProblems.ts"
import { alertSubject, deadSubject, deliveredSubject, webhookSubject } from "../../../src/protocol/Subject.ts"
import { encodeDeadLetter, encodeDeliveryState, encodeWebhook } from "../../../src/protocol/Webhook.ts"
import { encodeAlertId, encodeAlerts } from "../../../src/rules/Alert.ts"
import { alertOf } from "../../support/AlertsByHand.ts"

/** The message with alerts at a sequence of the stream of alerts. */
const alert = (sequence: number): CheckedRecord => ({
  subject: alertSubject("ann"),
  sequence,
  text: encodeAlerts([alertOf({ sequence })])
})

const webhook: CheckedRecord = {
  subject: webhookSubject("ann"),
  sequence: 2,
  text: encodeWebhook({
    url: "http://127.0.0.1/ann",
    enabled: true,
    secret: Redacted.make("whsec_x"),
    previous: [],
    after: 1,
    begunAt: 5
  })
}

const dead = (id: number): CheckedRecord => ({
  subject: deadSubject("ann"),
  sequence: 90 + id,
  text: encodeDeadLetter({ id, at: 6, status: 400, reason: "no", answer: "" })
})

const paused = (through: number): CheckedRecord => ({
  subject: deliveredSubject("ann"),
  sequence: 99,
  text: encodeDeliveryState({ through, begunAt: 5, failures: 1, paused: { reason: "gone", at: 7 } })
})

/** The alert at sequence 1 is before the webhook. The alerts at 3, 4 and 5 have to be delivered. */
const records = [alert(1), webhook, alert(3), alert(4), alert(5)]

const bodyFor = (sequence: number): string =>
  JSON.stringify({ data: { owner: "ann", alerts: [{ id: encodeAlertId(alertOf({ sequence })) }] } })

/** Returns an attempt that arrives at the place 10 × `turn`, and is answered at the next place. */
const attempt = (
  turn: number,
  id: number,
  status: number | undefined = 204,
  different: Partial<ReceivedAttempt> = {}
): ReceivedAttempt => ({
  owner: "ann",
  id: String(id),
  body: bodyFor(id),
  arrivedAt: 10 * turn,
  answer: status === undefined ? undefined : { status, at: 10 * turn + 1 },
  ...different
})

const noAnswer = { answer: undefined }

const problemsOf = (attempts: ReadonlyArray<ReceivedAttempt>, stored: ReadonlyArray<CheckedRecord> = records) =>
  deliveryProblems([{ owner: "ann", deliveredThrough: 1 }], attempts, stored)

describe("The check of deliveries", () => {
  it.each<readonly [string, ReadonlyArray<ReceivedAttempt>, ReadonlyArray<CheckedRecord>]>([
    ["every alert that is delivered once, in order", [attempt(1, 3), attempt(2, 4), attempt(3, 5)], records],
    [
      "failed attempts before a success, and repeats of earlier alerts",
      [
        attempt(1, 3, 500),
        attempt(2, 3, 429),
        attempt(3, 3, 204, noAnswer),
        attempt(4, 3),
        attempt(5, 4),
        attempt(6, 3),
        attempt(7, 5)
      ],
      records
    ],
    [
      "a refused alert that is a dead letter",
      [attempt(1, 3), attempt(2, 4, 400), attempt(3, 5)],
      [...records, dead(4)]
    ],
    ["alerts behind a pause", [attempt(1, 3), attempt(2, 4, 410)], [...records, paused(3)]]
  ])("the check finds no problem in %s", (_name, attempts, stored) => {
    expect(problemsOf(attempts, stored)).toEqual([])
  })

  const good = [attempt(1, 3), attempt(2, 4), attempt(3, 5)]

  it.each<readonly [string, ReadonlyArray<ReceivedAttempt>, ReadonlyArray<CheckedRecord>, ReadonlyArray<RegExp>]>([
    ["an alert that never came", [attempt(1, 3), attempt(2, 4)], records, [/^A9 not delivered: ann\/5$/]],
    [
      "an alert whose attempts all failed",
      [attempt(1, 3), attempt(2, 4), attempt(3, 5, 500), attempt(4, 5, 204, noAnswer)],
      records,
      [/^A9 not delivered: ann\/5$/]
    ],
    [
      "a refused alert without a dead letter",
      [...good.slice(0, 2), attempt(3, 5, 400)],
      records,
      [/^A9 not delivered/]
    ],
    ["a dead letter that was not refused", good.slice(0, 2), [...records, dead(5)], [/did not refuse it/]],
    ["a pause that no answer asked for", [attempt(1, 3)], [...records, paused(3)], [/status 410/]],
    [
      "an alert before a pause that was not delivered",
      [attempt(1, 3), attempt(2, 5, 410)],
      [...records, paused(4)],
      [/^A9 not delivered: ann\/4$/, /^A9 out of order/]
    ],
    ["a webhook that is gone", good, records.slice(2), [/^A9 not delivered: the webhook of ann is gone$/]],
    [
      "alerts in another order",
      [attempt(1, 4), attempt(2, 3), attempt(3, 5)],
      records,
      [/^A9 out of order: ann\/4 came before 3/]
    ],
    [
      "an attempt before the answer to the earlier alert",
      [attempt(1, 3, 204, { answer: { status: 204, at: 25 } }), attempt(2, 4), attempt(3, 5)],
      records,
      [/^A9 out of order: ann\/4 came before 3/]
    ],
    [
      "a repeat with another body",
      [...good, attempt(4, 5, 204, { body: bodyFor(5).replace("{", "{ ") })],
      records,
      [/^A9 changed: ann\/5 came with another body$/]
    ],
    [
      "a repeat under another id",
      [...good, attempt(4, 6, 204, { body: bodyFor(5) })],
      records,
      [/^A9 changed: ann\/6 came before under the id 5$/, /^A9 phantom: ann\/6/]
    ],
    ["a delivery that is no alert", [...good, attempt(4, 6)], records, [/^A9 phantom: ann\/6 is no alert/]],
    ["an alert from before the webhook", [attempt(0, 1), ...good], records, [/^A9 phantom: ann\/1 is no alert/]],
    [
      "the content of another alert",
      [...good.slice(0, 2), attempt(3, 5, 204, { body: "{}" })],
      records,
      [/^A9 phantom/]
    ],
    ["a delivery to a user without a webhook", [...good, attempt(4, 5, 204, { owner: "bob" })], records, [/bob has no/]]
  ])("the check finds %s", (_name, attempts, stored, found) => {
    expect(problemsOf(attempts, stored)).toEqual(found.map((pattern) => expect.stringMatching(pattern)))
  })
})
