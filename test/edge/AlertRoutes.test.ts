import { describe, expect, it } from "vitest"
import { alertSubject, rulesSubject } from "../../src/protocol/Subject.ts"
import { encodeAlertId } from "../../src/rules/Alert.ts"
import { decodeRule, RuleProblem } from "../../src/rules/Rule.ts"
import { emptyRuleSet, encodeRuleSet, putRule, RulesFull } from "../../src/rules/RuleSet.ts"
import { exactJson } from "../../src/harness/system/Shopper.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { startEdge } from "../../src/harness/system/TestLedger.ts"
import { alertByHand, alertOf, positionByHand } from "../support/AlertsByHand.ts"
import { serveEdge } from "../support/FeedEdge.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { answered, purchaseText, refusal, seen, startService, useService } from "../support/TestService.ts"

const service = useService()
const served = startedBeforeAll(() => serveEdge(service.edge))

interface Page {
  readonly ids: ReadonlyArray<string>
  readonly next: string | undefined
  readonly link: string | undefined
}

const pageAt = async (path: string): Promise<Page> => {
  const { status, body, headers } = await service.get(path)
  expect({ status, body: status === 200 ? "" : body }).toEqual({ status: 200, body: "" })
  const { alerts, next } = exactJson(body)
  return { ids: alerts.map(({ id }: { readonly id: string }) => id), next, link: headers["link"] }
}

const pagesFrom = async (path: string): Promise<ReadonlyArray<Page>> => {
  const pages = [await pageAt(path)]
  for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) pages.push(await pageAt(next))
  return pages
}

/** The ids of alerts that differ in their place in the journal and in the number of their rule. */
const idOf = (sequence: number, ruleNumber = 17) => encodeAlertId({ sequence, line: 2, index: 0, ruleNumber })

describe("GET /users/{id}/alerts", () => {
  it("an alert has the rule as it was judged, the purchase, and the measured values", async () => {
    const rule = decodeRule(
      '{"productType":"Electronics","measure":"spent","within":"P7D","threshold":200,"note":"enough","until":"2030-01-01T00:00:00Z"}'
    )
    if (rule instanceof RuleProblem) throw new Error(rule.message)
    await alertByHand(service.client, alertOf({ owner: "whole@x" }), alertOf({ owner: "whole@x", ruleNumber: 18 }))
    await alertByHand(
      service.client,
      alertOf({ owner: "whole", userId: "bob", rule, before: 1_000n, after: 9_007_199_254_740_990n })
    )
    const answer = await service.get("/users/whole/alerts")
    const { body } = answer
    expect(answer).toEqual(answered(200, body))
    const { completeThrough: _, ...page } = exactJson(body)
    expect(page).toEqual({
      alerts: [
        {
          id: "39.2.0.17",
          owner: "whole",
          ruleId: "cheap",
          ruleVersion: 3,
          inWords:
            'Alert when your spending on something of the type "Electronics" in 7 days reaches 200.00 USD, until 2030-01-01T00:00:00.000Z.',
          rule: {
            who: "self",
            productType: "Electronics",
            measure: "spent",
            within: "P7D",
            is: "crosses",
            threshold: 200,
            until: "2030-01-01T00:00:00.000Z",
            enabled: true,
            note: "enough"
          },
          purchase: {
            purchaseId: "p1",
            userId: "bob",
            productName: "Laptop",
            productType: "Electronics",
            value: 89_900n,
            quantity: 2,
            total: 179_800n,
            storedAt: "2026-11-29T10:00:00.000Z",
            ledgerSequence: 39
          },
          measured: { before: 10, after: expect.anything() },
          alertedAt: expect.stringMatching(/^20.*Z$/)
        }
      ]
    })
    expect(body).toContain('"measured":{"before":10.00,"after":90071992547409.90}')
    expect(body).toContain('"threshold":200.00,')
  })

  it("the alert of a rule about quantities has whole numbers without decimal places", async () => {
    const rule = decodeRule('{"who":"all","measure":"quantity","is":"equal","threshold":5}')
    if (rule instanceof RuleProblem) throw new Error(rule.message)
    await alertByHand(service.client, alertOf({ owner: "pieces", rule, after: 5n }))
    const { body } = await service.get("/users/pieces/alerts")
    expect(body).toContain('"threshold":5,')
    expect(body).toContain('"measured":{"after":5}')
  })

  it("a user without alerts has an empty page", async () => {
    expect(await pageAt("/users/nobody/alerts")).toEqual({ ids: [], next: undefined, link: undefined })
  })

  it("pages have each alert once, newest first, even if a page ends between two alerts of one purchase", async () => {
    const expected: Array<string> = []
    for (let sequence = 1; sequence <= 23; sequence += 1) {
      const numbers = Array.from({ length: 1 + (sequence % 4) }, (_, index) => 20 + index)
      const [first, ...others] = numbers.map((ruleNumber) => alertOf({ owner: "many", sequence, ruleNumber }))
      await alertByHand(service.client, first ?? alertOf(), ...others)
      for (let other = 0; other < sequence % 5; other += 1) await alertByHand(service.client, alertOf({ owner: "man" }))
      expected.unshift(...numbers.toReversed().map((ruleNumber) => idOf(sequence, ruleNumber)))
    }
    for (const limit of [1, 2, 3, 7, 100]) {
      const pages = await pagesFrom(`/users/many/alerts?limit=${limit}`)
      expect(pages.flatMap(({ ids }) => ids)).toEqual(expected)
      expect(pages.length).toBe(Math.ceil(expected.length / limit))
      for (const { next, link } of pages) expect(link).toBe(next === undefined ? undefined : `<${next}>; rel="next"`)
    }
  })

  it("alerts that are stored between the requests for two pages do not change the second page", async () => {
    for (let sequence = 1; sequence <= 4; sequence += 1)
      await alertByHand(service.client, alertOf({ owner: "moving", sequence }))
    const first = await pageAt("/users/moving/alerts?limit=2")
    await alertByHand(service.client, alertOf({ owner: "moving", sequence: 5 }))
    const second = await pageAt(first.next ?? "")
    expect([first.ids, second.ids]).toEqual([
      [idOf(4), idOf(3)],
      [idOf(2), idOf(1)]
    ])
  })

  it("a malformed message that somebody wrote by hand into the stream is skipped", async () => {
    await alertByHand(service.client, alertOf({ owner: "odd", sequence: 1 }))
    await (await service.client.jetstream()).publish(alertSubject("odd"), "no alert")
    await alertByHand(service.client, alertOf({ owner: "odd", sequence: 2 }))
    expect((await pagesFrom("/users/odd/alerts?limit=1")).flatMap(({ ids }) => ids)).toEqual([idOf(2), idOf(1)])
  })

  it("the cursor of another user's alerts is refused, and so is a text that is no cursor", async () => {
    for (let sequence = 1; sequence <= 2; sequence += 1)
      await alertByHand(service.client, alertOf({ owner: "mine", sequence }))
    const { next = "" } = await pageAt("/users/mine/alerts?limit=1")
    expect(await service.get(next.replace("mine", "yours"))).toEqual(
      refusal(
        "malformed-request",
        "cursor does not belong to this user's alerts. Begin without a cursor.",
        "/users/yours/alerts"
      )
    )
    for (const query of ["cursor=abc", "cursor=", "limit=0", "limit=101", "through=-1", "through=1e3"]) {
      expect((await service.get(`/users/mine/alerts?${query}`)).status, query).toBe(400)
    }
  })
})

describe("the sequence up to which alerts are complete", () => {
  it("alerts are complete if there is no rule, and otherwise complete up to the position of the judge", async () => {
    const alone = await startService()
    const complete = async (query = "") => {
      const { status, body } = await alone.get(`/users/ann/alerts${query}`)
      return { status, completeThrough: exactJson(body).completeThrough }
    }
    const buy = async (purchaseId: string): Promise<number> => {
      await alone.post(purchaseText({ purchaseId }), { prefer: "wait=5" })
      return exactJson((await alone.get(`/users/ann/purchases/${purchaseId}`)).body).ledgerSequence
    }
    const before = await buy("before")
    expect((await complete()).completeThrough).toBeGreaterThanOrEqual(before)
    expect(await complete(`?through=${before}`)).toMatchObject({ status: 200 })

    const set = putRule(emptyRuleSet, "cheap", alertOf().rule, 0)
    if (set instanceof RulesFull) throw new Error(set.message)
    const jetstream = await alone.client.jetstream()
    const { seq: ruled } = await jetstream.publish(rulesSubject("ann"), encodeRuleSet(set))
    const after = await buy("after")
    // An edge that has just started has read no position before.
    const fresh = await startEdge(alone.settings)
    const known = await seen(fresh.app.request("/users/ann/alerts"))
    expect(exactJson(known.body).completeThrough).toBe(ruled - 1)
    await fresh.stop()

    const waiting = alone.get(`/users/ann/alerts?through=${after}`)
    await alertByHand(alone.client, alertOf({ sequence: after }))
    await positionByHand(alone.client, after)
    const { alerts, completeThrough } = exactJson((await waiting).body)
    expect({ completeThrough, ids: alerts.map(({ id }: { readonly id: string }) => id) }).toEqual({
      completeThrough: after,
      ids: [idOf(after)]
    })

    const beyond = after + 100
    expect(await alone.get(`/users/ann/alerts?through=${beyond}`)).toEqual(
      refusal(
        "not-current",
        `The alerts are complete up to the sequence ${after}, and not up to ${beyond} within 5 s. Ask again, or leave through out.`,
        "/users/ann/alerts"
      )
    )
    await alone.stop()
  })
})

describe("the feeds of alerts", () => {
  it("a user's feed has the alerts of this user as they come, and the feed of all has all alerts", async () => {
    const readers = { eve: await served.open("/users/eve/alerts/feed"), all: await served.open("/alerts/feed") }
    const sequence = await alertByHand(
      service.client,
      alertOf({ owner: "eve" }),
      alertOf({ owner: "eve", ruleNumber: 18 })
    )
    const others = await alertByHand(service.client, alertOf({ owner: "frank" }))
    await until("all is told", () => readers.all.applied.length === 2)
    await until("eve is told", () => readers.eve.applied.length === 1)
    const { alerts } = exactJson((await service.get("/users/eve/alerts")).body)
    expect(readers.eve.applied).toEqual([
      { name: "message", id: String(sequence), data: { owner: "eve", alerts: alerts.toReversed() } }
    ])
    expect(readers.all.applied[0]).toEqual(readers.eve.applied[0])
    expect(readers.all.lastEventId).toBe(String(others))
    for (const reader of Object.values(readers)) reader.close()
  })

  it("a feed goes on after Last-Event-ID, and an id of one feed of alerts is valid in every feed of alerts", async () => {
    const sequences: Array<number> = []
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      sequences.push(await alertByHand(service.client, alertOf({ owner: "gil", sequence })))
      await alertByHand(service.client, alertOf({ owner: "hal", sequence }))
    }
    const [all, rest, query] = [
      await served.open("/users/gil/alerts/feed", "0"),
      await served.open("/users/gil/alerts/feed", String(sequences[0])),
      await served.open(`/alerts/feed?lastEventId=${sequences[1]}`)
    ]
    await until("all is told", () => all.applied.length === 3)
    await until("the rest is told", () => rest.applied.length === 2)
    await until("the rest of all is told", () => query.applied.length === 3)
    expect(all.applied.map(({ id }) => Number(id))).toEqual(sequences)
    expect(rest.applied).toEqual(all.applied.slice(1))
    expect(query.applied.map(({ data }) => data.owner)).toEqual(["hal", "gil", "hal"])
    for (const reader of [all, rest, query]) reader.close()
  })

  it("a feed is reset if no alert has the last id, and an unreadable message is skipped", async () => {
    const beyond = await served.open("/users/ida/alerts/feed", "1000000")
    const wrong = await served.open("/alerts/feed", "p1")
    expect(beyond.events[0]).toMatchObject({
      name: "reset",
      data: {
        reason: "beyond-the-end",
        detail: expect.stringMatching(/^The last id is beyond the end of the alerts\. The feed goes on after [0-9]+\.$/)
      }
    })
    expect(wrong.events[0]).toMatchObject({ name: "reset", data: { reason: "not-a-sequence" } })
    await (await service.client.jetstream()).publish(alertSubject("ida"), "no alert")
    const sequence = await alertByHand(service.client, alertOf({ owner: "ida" }))
    await until("it is told", () => beyond.applied.length === 1)
    expect(beyond.applied[0]?.id).toBe(String(sequence))
    for (const reader of [beyond, wrong]) reader.close()
  })
})
