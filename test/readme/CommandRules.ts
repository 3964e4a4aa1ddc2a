import { testKeyFile } from "../../src/harness/system/TestKeys.ts"

/** The values that commands use. */
export interface Place {
  readonly port: number
  /** A directory that is removed when the test ends. */
  readonly directory: string
  /** The place of a rejected record that the test made. */
  readonly rejected: string
  /** A broker without streams. */
  readonly emptyBroker: string
}

/** A command that is not run as it stands in a document. */
interface Rule {
  readonly matches: RegExp
  readonly why: string
  /** The command that is run instead. */
  readonly run?: (text: string, place: Place) => string
  readonly isSkipped?: true
  /** Whether the command needs a rejected record, which the test makes first. */
  readonly needsRejected?: true
  /**
   * Whether the command does not end by itself. The test ends such a command when the command has printed the expected
   * output.
   */
  readonly isEndless?: true
  /** Whether the command runs only at its first place. The output of that run has to fit at all places. */
  readonly isRunOnce?: true
}

/** The first rule that matches is used. The test fails if a rule matches no command of a document. */
export const rules: ReadonlyArray<Rule> = [
  {
    matches: /^npm cit?$/,
    why: "it is what runs this test, and replaces the packages under its feet",
    isSkipped: true
  },
  { matches: /^\.\/run\.sh$/, why: "it takes half a minute, and shows the same each time", isRunOnce: true },
  {
    matches: /^npx vitest run /,
    why: "npm cit runs them all; here the files have to be there",
    run: (text) => `ls -d ${text.slice("npx vitest run ".length)}`
  },
  {
    matches: /^npm run bench -- --only/,
    why: "it takes minutes: the case has to be in the list, and the options are read",
    run: (text) => {
      const [, name = ""] = /--only ([a-z0-9-]+)/.exec(text) ?? []
      return `npm run -s bench -- --list | grep '^${name} ' && ${text} --help`
    }
  },
  {
    matches:
      /^(?:NATS_URL=\S+ )?npm run (?:faults|soak|heads|fuzz|abuse|simulate|power-cuts|failover|bench|picture|upgrade)\b/,
    why: "it takes minutes, writes into docs, or needs an earlier layout: with --help the same parser refuses a wrong option",
    run: (text) => `${text}${text.includes(" -- ") ? "" : " --"} --help`
  },
  {
    matches: /^\.\/start\.sh --cluster$/,
    why: "three brokers are tested in test/cluster: here the option is read",
    run: (text) => `${text} --help`
  },
  {
    matches: /scripts\/cluster\.sh (?:move|status|restart)/,
    why: "a cluster takes minutes: what is around it is run, and it has to know the word",
    run: (text) => text.replace(/scripts\/cluster\.sh ([a-z]+)/, "scripts/cluster.sh --help | grep '^  $1 '")
  },
  { matches: /^curl -N /, why: "a feed goes on until its reader leaves", isEndless: true },
  { matches: /^scripts\/nats sub /, why: "a subscription goes on until it is ended", isEndless: true },
  {
    matches: /rejected\/7\/0|rejected (?:show|replay) 7\/0|correct-rejected\.ts 7\/0/,
    why: "the numbers are those of the record that this test had rejected",
    needsRejected: true,
    run: (text, { rejected }) => text.replace("7/0", rejected)
  },
  {
    matches: /^scripts\/nats --as admin backup stream /,
    why: "the backup goes with the test",
    run: (text, { directory }) => text.replace(" backup/", ` ${directory}/backup/`)
  },
  {
    matches: /^scripts\/nats --as admin backup restore /,
    why: "into one broker without streams, from the backup of this test",
    run: (text, { directory, emptyBroker }) =>
      `NATS_URL=${emptyBroker} NATS_NKEY_FILE=${testKeyFile} ${text.replace("--replicas 3", "--replicas 1").replace(" backup/", ` ${directory}/backup/`)}`
  },
  {
    matches: /^scripts\/purchases .*--state /,
    why: "the files that the command writes go with the test",
    run: (text, { directory }) => text.replaceAll(/(--(?:refused|state)) /g, `$1 ${directory}/`)
  },
  {
    matches: /^npx node examples\/feed-into-sqlite\.ts/,
    why: "a feed goes on until it is stopped, and the file goes with the test",
    run: (text, { directory }) => text.replace("purchases.sqlite", `${directory}/purchases.sqlite`),
    isEndless: true
  },
  { matches: /^npx node examples\/follow-feed\.ts/, why: "a feed goes on until it is stopped", isEndless: true },
  {
    matches: /^scripts\/nats stream info KV_ledger$/,
    why: "only an installation of an earlier layout has this stream",
    isSkipped: true
  },
  {
    matches: /^scripts\/nats --as admin stream rm /,
    why: "other commands need the stream: here the words are read",
    run: (text) => `${text} --help`
  },
  { matches: /^scripts\/nats (?:req|kv history)$/, why: "it names the command, and is none", isSkipped: true }
]

export const ruleOf = (text: string): Rule | undefined => rules.find(({ matches }) => matches.test(text))
