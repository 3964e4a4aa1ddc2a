/**
 * The invariants of docs/protocol.md, by id. The ids begin with `I` for purchases and with `A` for alerts. The models,
 * the simulation and the fault runs name a problem by the id of the broken invariant.
 */
export const invariants = {
  I1: "No acknowledged purchase is lost.",
  I2: "No purchase and no reversal counts twice.",
  I3: "Every purchase that is applied was stored in the input log before.",
  I4: "An account agrees with its history: its total is the sum of its purchases less its reversals, its count the number of both, its set has every id. No purchase has more pieces taken back than it has.",
  I5: "A user's purchases are applied in the order of the input log, with none left out.",
  I6: "A strong read has everything that was acknowledged before it.",
  I7: "Every stored purchase is applied in the end.",
  I8: "Input is acknowledged only after its commit is durable.",
  A1: "Each applied purchase has exactly one alert for each rule that it meets, of the rules before it in the journal.",
  A2: "There is no other alert.",
  A3: "The alerts of one owner about one purchaser are in the order of the journal.",
  A4: "The position of a shard never goes back.",
  A5: "A purchase that is sent after the answer to a change of a rule is judged by the changed rule.",
  A6: "I1 to I8 hold with every judge dead, slow or wrong.",
  A7: "The running measures of an alert equal a recount of the purchaser's history.",
  A8: "Every applied purchase is judged in the end.",
  A9: "Every alert for a webhook is delivered in order, is a dead letter, or waits behind a pause. Its id never changes."
} as const

export type Invariant = keyof typeof invariants

/** The ways in which an invariant can break, as the simulation and the fault runs observe them. */
export const breakNames = [
  "I1 lost",
  "I1 unrecorded",
  "I2 doubled",
  "I2 recorded twice",
  "I3 phantom",
  "I4 disagreeing",
  "I5 out of order",
  "I6 stale read",
  "I7 not drained",
  "I8 acknowledged early",
  "A1 missing",
  "A1 doubled",
  "A2 phantom",
  "A3 out of order",
  "A4 gone back",
  "A5 change lost",
  "A7 miscounted",
  "A8 not judged",
  "A9 not delivered",
  "A9 out of order",
  "A9 changed",
  "A9 phantom"
] as const satisfies ReadonlyArray<`${Invariant} ${string}`>

export type BreakName = (typeof breakNames)[number]

/**
 * The rules of the protocol on which the invariants rest, and which the simulation and the fault runs check. The model
 * checks further rules.
 */
type RuleName = "fence" | "position" | "heads" | "repeats" | "prefix"

/** A finding of a check, or the reason why a run proves nothing. */
export type Problem = `${BreakName | RuleName | "invalid"}: ${string}`
