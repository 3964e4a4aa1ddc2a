import { decimalOf, parseExact } from "../../src/client/Amount.ts"
import { encodeToken } from "../../src/protocol/Subject.ts"
import type { NatsTool } from "./NatsTool.ts"
import type { Report } from "./Report.ts"
import type { Survivor } from "./showKill.ts"

/** The number of rows of a chain's table that are shown before the last row. */
const chainRowsShown = 5
/** The number of characters of a commit's line that are shown. */
const lineCharactersMax = 120
/**
 * The time between two checks whether an answer has settled, and the longest wait for the answer to settle, in
 * milliseconds.
 */
const askEveryMilliseconds = 200
const settledMillisecondsMax = 20_000

const streamLines =
  /^ *(?:Subject Transform|Storage|Retention|Duplicate Window|purchases\.partitions|Messages|Bytes|Last Sequence):/

/** The account of a user, as the owner of the partition answers it to `nats req`. */
interface InspectedAccount {
  readonly purchaseCount: number
  readonly total: string
  readonly newestCommit: number
  readonly partition: number
  readonly worker: string
}

interface Consumer {
  /** The number of messages that the consumer has not delivered yet. */
  readonly num_pending: number
  /** The number of messages that the consumer has delivered, and that are not acknowledged. */
  readonly num_ack_pending: number
}

/** Returns the rows of a printed table, without the lines that frame them. */
const rowsIn = (table: string): ReadonlyArray<string> => table.split("\n").filter((line) => line.startsWith("│"))

const indented = (lines: ReadonlyArray<string>): string => lines.map((line) => line.trim()).join("\n   ")

/**
 * Asks again and again until the answer has settled, or until the time is over. Returns the last answer, whether or not
 * it has settled.
 */
const settled = async <A>(
  waitMilliseconds: number,
  ask: () => Promise<A>,
  isSettled: (answer: A) => boolean
): Promise<A> => {
  const deadline = performance.now() + waitMilliseconds
  for (;;) {
    const answer = await ask()
    if (isSettled(answer) || performance.now() > deadline) return answer
    await new Promise((resolve) => setTimeout(resolve, askEveryMilliseconds))
  }
}

/** Shows the state of the input log, and returns its number of partitions. */
const showInput = async (report: Report, nats: NatsTool): Promise<number> => {
  report.title("nats stream info PURCHASES")
  const text = await nats("stream", "info", "PURCHASES")
  report.say(indented(text.split("\n").filter((line) => streamLines.test(line))))
  const { config } = JSON.parse(await nats("stream", "info", "PURCHASES", "--json")) as {
    readonly config: { readonly metadata: Readonly<Record<string, string>> }
  }
  return Number(config.metadata["purchases.partitions"])
}

/**
 * Asks the owner for the account of the user whose worker was killed, and compares the account with the user's
 * purchases.
 */
const showAccount = async (report: Report, nats: NatsTool, survivor: Survivor): Promise<InspectedAccount> => {
  const subject = `ledger.account.${encodeToken(survivor.userId)}`
  report.title(`nats req ${subject} ''`)
  const text = await nats("req", subject, "", "--raw", "--replies", "1")
  report.say(text.trim())
  const account = parseExact(text) as InspectedAccount
  report.expect("purchases", account.purchaseCount, survivor.entries.length)
  report.expect("total, as the history adds up to", account.total, decimalOf(survivor.cents))
  report.expect("newest commit of the account", account.newestCommit, survivor.ledgerSequence)
  return account
}

/** Shows the newest commit of a partition, and the chain of the partition. */
const showChain = async (report: Report, nats: NatsTool, account: InspectedAccount): Promise<void> => {
  const key = `commit.${account.partition}`
  report.title(`nats kv get journal ${key} --raw`)
  const lines = (await nats("kv", "get", "journal", key, "--raw")).trimEnd().split("\n")
  report.say(indented(lines.map((line) => line.slice(0, lineCharactersMax))))
  const { v, worker } = JSON.parse(lines[0] ?? "") as { readonly v: number; readonly worker: string }
  report.expect("version of the record", v, 2)
  report.expect("worker that owns the partition", worker, account.worker)

  report.title(`nats kv history journal ${key}`)
  const rows = rowsIn(await nats("kv", "history", "journal", key))
  const hidden = rows.length - chainRowsShown - 1
  report.say(indented(hidden > 0 ? [...rows.slice(0, chainRowsShown), `… ${hidden} more`, ...rows.slice(-1)] : rows))
  const { subject } = JSON.parse(await nats("stream", "get", "KV_journal", String(account.newestCommit), "--json")) as {
    readonly subject: string
  }
  report.expect(`key of message ${account.newestCommit} of the journal`, subject.replace("$KV.journal.", ""), key)
}

/**
 * Shows the consumers of the input log when no message waits. Waits first, because the acknowledgement of a message
 * comes after its commit.
 */
const showConsumers = async (
  report: Report,
  nats: NatsTool,
  partitions: number,
  waitMilliseconds: number
): Promise<void> => {
  const consumers = async () => {
    const answer = await nats("req", "$JS.API.CONSUMER.LIST.PURCHASES", "", "--raw")
    return (JSON.parse(answer) as { readonly consumers: ReadonlyArray<Consumer> }).consumers
  }
  const openOf = (all: ReadonlyArray<Consumer>) =>
    all.reduce((sum, { num_pending, num_ack_pending }) => sum + num_pending + num_ack_pending, 0)
  const found = await settled(waitMilliseconds, consumers, (all) => all.length === partitions && openOf(all) === 0)
  report.title("nats consumer report PURCHASES")
  report.say(indented(rowsIn(await nats("consumer", "report", "PURCHASES"))))
  report.expect("consumers, one for each partition", found.length, partitions)
  report.expect("purchases not processed or not acknowledged", openOf(found), 0)
}

/** Shows the services of the workers, when a worker that has just started has taken all partitions. */
const showServices = async (
  report: Report,
  nats: NatsTool,
  partitions: number,
  waitMilliseconds: number
): Promise<void> => {
  const services = async () => JSON.parse(await nats("micro", "list", "--json")) as ReadonlyArray<unknown>
  const found = await settled(waitMilliseconds, services, (all) => all.length === partitions)
  report.title("nats micro list")
  report.say(indented(rowsIn(await nats("micro", "list"))))
  report.expect("services, one for each partition", found.length, partitions)
}

/**
 * Looks inside the broker with the nats command line tool, and compares the broker's content with the answers of the
 * service. The tables of the tool are printed for people. The claims are made about the JSON that the tool prints.
 */
export const showInside = async (
  report: Report,
  nats: NatsTool,
  survivor: Survivor,
  waitMilliseconds = settledMillisecondsMax
): Promise<void> => {
  const partitions = await showInput(report, nats)
  await showChain(report, nats, await showAccount(report, nats, survivor))
  await showConsumers(report, nats, partitions, waitMilliseconds)
  await showServices(report, nats, partitions, waitMilliseconds)
}
