// Copies all purchases into a SQLite file, and goes on after the last copied purchase when it starts again, also after
// kill -9.
import { DatabaseSync } from "node:sqlite"
import { centsOf, type FeedEvent, PurchaseClient } from "../src/client/index.ts"

const { PURCHASES_URL: url = "http://127.0.0.1:8081", PURCHASES_TOKEN: token } = process.env
const client = new PurchaseClient({ url, ...(token === undefined ? {} : { token }) })

const database = new DatabaseSync(process.argv[2] ?? "purchases.sqlite")
database.exec(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS entries (
    userId TEXT, number INTEGER, purchaseId TEXT, storedAt TEXT, cents INTEGER, PRIMARY KEY (userId, number)
  );
  CREATE TABLE IF NOT EXISTS place (id TEXT);
  INSERT INTO place SELECT '0' WHERE NOT EXISTS (SELECT 1 FROM place);
`)
const addEntry = database.prepare("INSERT INTO entries VALUES (?, ?, ?, ?, ?)")
const movePlace = database.prepare("UPDATE place SET id = ?")
const { id: after } = database.prepare("SELECT id FROM place").get() as { readonly id: string }

/** Keeps the entries of an event and its place in one transaction, so that an event is neither lost nor doubled. */
const keep = ({ id, applied }: Extract<FeedEvent, { kind: "applied" }>): void => {
  database.exec("BEGIN IMMEDIATE")
  try {
    for (const { number, purchaseId, storedAt, total, amount = total } of applied.purchases) {
      addEntry.run(applied.userId, number, purchaseId, storedAt, centsOf(amount))
    }
    movePlace.run(id)
    database.exec("COMMIT")
  } catch (failure) {
    database.exec("ROLLBACK")
    throw failure
  }
}

console.log(`goes on after ${after}`)
for await (const event of client.feed({ after })) {
  if (event.kind === "reset") {
    throw new Error(`${event.detail} The file is of another ledger. Start with a new file.`)
  }
  keep(event)
  console.log(`${event.applied.userId} has ${event.applied.total}; the place is ${event.id}`)
}
