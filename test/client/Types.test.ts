import type { Schema } from "effect"
import { describe, expect, it } from "vitest"
import type * as Client from "../../src/client/Answers.ts"
import { type ProblemBody as ClientProblem, problemKinds } from "../../src/client/Failure.ts"
import type { RawJson } from "../../src/protocol/ExactJson.ts"
import { type ProblemBody, problemKinds as servedKinds } from "../../src/edge/contract/Problem.ts"
import type * as Served from "../../src/edge/contract/AnswerBodies.ts"
import { openApi } from "../../src/edge/route/OpenApi.ts"
import { routes } from "../../src/edge/server/Routes.ts"
import type * as ServedAlerts from "../../src/edge/contract/AlertBodies.ts"
import type * as ServedRules from "../../src/edge/contract/RuleBodies.ts"
import type * as ServedWebhooks from "../../src/edge/webhook/WebhookBodies.ts"
import type * as ServedRejected from "../../src/edge/rejected/routes.ts"
import type { ReadyState } from "../../src/edge/service/probes.ts"
import type { SystemState } from "../../src/edge/service/status.ts"

/** The type that a caller reads for a schema. Amounts are texts. */
type Read<A> = A extends RawJson
  ? string
  : A extends ReadonlyArray<infer Item>
    ? ReadonlyArray<Read<Item>>
    : A extends object
      ? { readonly [Key in keyof A]: Read<A[Key]> }
      : A
type Plain<A> = { readonly [Key in keyof A]: A[Key] }
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Agrees<S extends Schema.Constraint, Mine> = Same<Read<S["Type"]>, Plain<Mine>>

// The lines of `agreements` do not compile if the client's types differ from those of the service.
const agreements: ReadonlyArray<true> = [
  true satisfies Agrees<typeof Served.PurchaseContent, Client.PurchaseContent>,
  true satisfies Agrees<typeof Served.StoredPurchase, Client.StoredPurchase>,
  true satisfies Agrees<typeof Served.AppliedPurchase, Client.AppliedPurchase>,
  true satisfies Agrees<typeof Served.HistoryEntry, Client.HistoryEntry>,
  true satisfies Agrees<typeof Served.PurchaseReceipt, Client.PurchaseReceipt>,
  true satisfies Agrees<typeof Served.ReversalReceipt, Client.ReversalReceipt>,
  true satisfies Agrees<typeof Served.ReversalPage, Client.ReversalPage>,
  true satisfies Agrees<typeof ServedRejected.RejectedListed, Client.RejectedListed>,
  true satisfies Agrees<typeof ServedRejected.RejectedRecord, Client.RejectedRecord>,
  true satisfies Agrees<typeof ServedRules.RuleContent, Client.Rule>,
  true satisfies Agrees<typeof ServedRules.ListedRule, Client.ListedRule>,
  true satisfies Agrees<typeof ServedRules.StoredRuleBody, Client.StoredRule>,
  true satisfies Agrees<typeof ServedRules.RuleList, Client.RuleList>,
  true satisfies Agrees<typeof ServedAlerts.AlertBody, Client.Alert>,
  true satisfies Same<Read<ReturnType<typeof ServedAlerts.wouldBeAlertBody>>, Plain<Client.WouldBeAlert>>,
  true satisfies Agrees<typeof ServedWebhooks.WebhookBody, Client.Webhook>,
  true satisfies Agrees<typeof ServedWebhooks.NewWebhookBody, Client.NewWebhook>,
  true satisfies Agrees<typeof ServedWebhooks.NewSecretBody, Client.NewWebhookSecret>,
  true satisfies Agrees<typeof ServedWebhooks.DeadLetterList, Client.DeadLetterList>,
  true satisfies Agrees<typeof ServedWebhooks.SendOutcome, Client.WebhookSendOutcome>,
  true satisfies Agrees<typeof SystemState, Client.SystemStatus>,
  true satisfies Agrees<typeof ReadyState, Client.ReadyState>,
  true satisfies Agrees<typeof ProblemBody, ClientProblem>,
  true satisfies Same<Read<ReturnType<typeof Served.revisionBody>>, Plain<Client.AppliedRevision>>
]

/** The members of a described answer, required or not. */
const membersOf = (name: string) => {
  const { required = [], properties = {} } = (openApi(routes).components.schemas[name] ?? {}) as {
    required?: ReadonlyArray<string>
    properties?: object
  }
  return { required: required.toSorted(), all: Object.keys(properties).toSorted() }
}

describe("the types of the client", () => {
  it("the types of the client equal the types of the service's schemas", () => {
    expect(agreements.every(Boolean)).toBe(true)
  })

  it("the types of the client equal the types of the OpenAPI document", () => {
    const account: Record<keyof Client.Account, 1> = {
      userId: 1,
      total: 1,
      currency: 1,
      purchaseCount: 1,
      reversalCount: 1
    }
    const asked: Record<keyof Client.AskedAccount, 1> = { ...account, known: 1 }
    const members = Object.keys(asked).toSorted()
    const total: Record<keyof Client.AccountTotal, 1> = { ...asked, at: 1 }
    expect(membersOf("Account")).toEqual({ required: members, all: Object.keys(total).toSorted() })
    const page: Record<keyof Client.HistoryPage, 1> = { ...asked, purchases: 1, next: 1 }
    expect(membersOf("HistoryPage")).toEqual({
      required: [...members, "purchases"].toSorted(),
      all: Object.keys(page).toSorted()
    })
    const rejected: Record<keyof Client.RejectedPage, 1> = { rejected: 1, next: 1 }
    const reversal: Record<keyof Client.AppliedReversal, 1> = {
      kind: 1,
      reversalId: 1,
      purchaseId: 1,
      userId: 1,
      productName: 1,
      productType: 1,
      value: 1,
      quantity: 1,
      amount: 1,
      reason: 1,
      status: 1,
      runningTotal: 1,
      currency: 1,
      number: 1,
      storedAt: 1,
      ledgerSequence: 1
    }
    const posted = membersOf("PostedReversal")
    expect(posted.all).toEqual(Object.keys(reversal).toSorted())
    const onlyApplied = ["quantity", "amount", "runningTotal", "currency", "number", "storedAt", "ledgerSequence"]
    expect(posted.required).toEqual(posted.all.filter((name) => !onlyApplied.includes(name)))
    expect(membersOf("RejectedPage")).toEqual({ required: ["rejected"], all: Object.keys(rejected).toSorted() })
  })

  it("the types of the client name each kind of problem", () => {
    expect([...problemKinds].toSorted()).toEqual(Object.keys(servedKinds).toSorted())
  })
})
