import { parseArgs } from "node:util"
import { abuse, type AbuseRow, percentile, unservedIn } from "../src/harness/abuse/Abuse.ts"
import { tokenOfCaller } from "./bench/CallerToken.ts"

const usage = `usage: npm run abuse -- [options]

Measures an honest caller with 10 posts and 10 reads a second, alone and beside each attack. Exits 1 if the honest caller gets a
status of 503 or 504.
  --seconds N    the length of each attack (20)
  --help         prints this text`

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "20" }, help: { type: "boolean", default: false } }
})

const time = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`.padStart(11)
const countsOf = (statuses: Readonly<Record<string, number>>): string =>
  Object.entries(statuses)
    .map(([status, count]) => `${count} × ${status}`)
    .join(", ")

const print = ({ attack, posts, reads, attacker }: AbuseRow): void => {
  const line = [posts, reads].flatMap(({ times }) => [time(percentile(times, 0.5)), time(percentile(times, 0.99))])
  console.log(`${attack.padEnd(40)}${line.join("")}`)
  console.log(`    victim: posts ${countsOf(posts.statuses)}; reads ${countsOf(reads.statuses)}`)
  if (attack !== "none") console.log(`    attacker: ${countsOf(attacker)}`)
}

if (values.help) console.log(usage)
else {
  const seconds = Number(values.seconds)
  if (!(seconds > 0)) throw new Error(usage)
  console.log(`${"attack".padEnd(40)}  posts p50  posts p99  reads p50  reads p99`)
  const rows = await abuse({ milliseconds: seconds * 1_000, createToken: tokenOfCaller, report: print })
  const alone = rows.find(({ attack }) => attack === "none")
  for (const row of rows.filter(({ attack }) => attack !== "none")) {
    const times = (["posts", "reads"] as const).map(
      (kind) => percentile(row[kind].times, 0.99) / percentile(alone?.[kind].times ?? [], 0.99)
    )
    console.log(
      `${row.attack}: p99 of posts is ${times[0]?.toFixed(1)} times and of reads ${times[1]?.toFixed(1)} times that of the victim alone`
    )
  }
  const wrong = rows.filter((row) => unservedIn(row) > 0)
  for (const { attack } of wrong) console.log(`WRONG: the victim was not served during ${attack}`)
  console.log(wrong.length === 0 ? "ok" : "the victim was not always served")
  process.exit(wrong.length === 0 ? 0 : 1)
}
