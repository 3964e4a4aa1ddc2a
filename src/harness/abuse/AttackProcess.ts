import { attacks, type AttackName } from "./Attacks.ts"

// This program is the attacker of `Abuse.ts`. The attacker is a separate process, because its load must not delay the
// clock of the victim.
const [name = "", port = "", token = ""] = process.argv.slice(2)
const counts: Record<string, number> = {}
const over = new AbortController()
process.once("message", () => over.abort())
process.once("disconnect", () => over.abort())
const attack = attacks[name as AttackName]
process.send?.("begun")
await attack({ port: Number(port), token }, over.signal, (status) => void (counts[status] = (counts[status] ?? 0) + 1))
process.send?.(counts, () => process.exit(0))
