import type { NatsConnection } from "nats"
import { encodeAlertPosition } from "../../src/protocol/AlertPosition.ts"
import { alertPositionSubject, alertSubject, encodeToken } from "../../src/protocol/Subject.ts"
import { type Alert, encodeAlerts } from "../../src/rules/Alert.ts"
import { decodeRule, RuleProblem } from "../../src/rules/Rule.ts"

/** Returns an alert of ann: her purchase of a laptop for 899.00 met her rule about laptops for 900.00 or less. */
export const alertOf = (members: Partial<Alert> = {}): Alert => {
  const rule = decodeRule('{"product":"Laptop","measure":"value","is":"less-or-equal","threshold":900}')
  if (rule instanceof RuleProblem) throw new Error(rule.message)
  const owner = members.owner ?? "ann"
  return {
    sequence: 39,
    line: 2,
    index: 0,
    ruleNumber: 17,
    owner,
    ruleId: "cheap",
    ruleVersion: 3,
    rule,
    userId: owner,
    purchase: {
      purchaseId: "p1",
      productName: "Laptop",
      productType: "Electronics",
      valueCents: 89_900n,
      quantity: 2,
      inputSequence: 5,
      inputIndex: 0,
      storedAt: Date.parse("2026-11-29T10:00:00Z")
    },
    before: undefined,
    after: 89_900n,
    ...members
  }
}

/** Stores the alerts of one purchase for one owner past the judge. Returns the sequence of their message. */
export const alertByHand = async (
  client: NatsConnection,
  first: Alert,
  ...others: ReadonlyArray<Alert>
): Promise<number> => {
  const subject = alertSubject(encodeToken(first.owner))
  return (await (await client.jetstream()).publish(subject, encodeAlerts([first, ...others]))).seq
}

/** Stores the position of the only shard past the judge: everything up to a sequence of the journal is judged. */
export const positionByHand = async (client: NatsConnection, through: number): Promise<void> => {
  await (await client.jetstream()).publish(alertPositionSubject(0), encodeAlertPosition({ through, messages: 0 }))
}
