// The exports of the package `purchase-ledger-client`.
export type * from "./Answers.ts"
export { centsOf, type Decimal, decimalOf } from "./Amount.ts"
export {
  ClientFailure,
  ForeignAnswer,
  NoAnswer,
  ProblemError,
  type ProblemBody,
  type ProblemKind,
  problemKinds,
  TimedOut,
  UnsupportedRuntime,
  WrongUrl
} from "./Failure.ts"
export type { BackTestEvent, BackTestOptions } from "./BackTestReader.ts"
export type { AlertEvent, FeedEvent, FeedOptions } from "./FeedReader.ts"
export type { ExportOptions } from "./ExportReader.ts"
export type { HistoryFilter } from "./HistoryFilter.ts"
export type { NewPurchase } from "./NewPurchase.ts"
export type { NewReversal } from "./NewReversal.ts"
export type { ChangeOptions, NewRule, PutOptions } from "./NewRule.ts"
export {
  type AlertOptions,
  type AuditOptions,
  type PageOptions,
  PurchaseClient,
  type ReadOptions
} from "./PurchaseClient.ts"
export type { PostedLine, PostOptions } from "./PurchaseStream.ts"
export type { RetrySettings } from "./Retry.ts"
export type { CallOptions, ClientSettings } from "./Transport.ts"
