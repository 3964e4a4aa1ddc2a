import { Console, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { runCommand } from "../../scripts/cli/CommandLine.ts"
import { purchasesAt } from "./Cli.ts"

/** Nobody listens at this address, because a wrong command line has to be found before anything is sent. */
const nowhere = "http://127.0.0.1:1"

/** Returns the stderr of a wrong command line, without starting a process. */
const saidOf = async (words: ReadonlyArray<string>): Promise<string> => {
  const said: Array<string> = []
  const silent: Console.Console = Object.assign(Object.create(console) as Console.Console, {
    log: () => expect.unreachable("something is printed on stdout"),
    error: (text: string) => said.push(text)
  })
  const failure = await Effect.runPromise(
    runCommand(words).pipe(Effect.provideService(Console.Console, silent), Effect.flip)
  )
  expect(failure).toMatchObject({ _tag: "ShowHelp" })
  return said.join("\n")
}

describe("a wrong command line", () => {
  it("a command with a wrong word ends with 2, after a message with the mistake and one line of usage", async () => {
    expect(await purchasesAt(nowhere, "post", "ann", "Lamp", "1.005")).toEqual({
      code: 2,
      out: "",
      error:
        `purchases: <value> must be a price from 0.01 to 1000000.00, like 12.50, and is "1.005".\n` +
        "usage: purchases post [flags] <user> <product> <value>   (purchases post --help says more)\n"
    })
  })

  it("the message names the mistake, whichever word of the command line is wrong", async () => {
    const wrongs = [
      [["total"], "<user> is missing."],
      [["total", "ann", "bob"], '"bob" is one word too many.'],
      [["total", "ann", "2", "3"], '"2", "3" are 2 words too many.'],
      [["total", "ann", "--far"], "There is no option --far here."],
      [["total", "a/b"], "<user> must not contain /"],
      [["totl", "ann"], 'There is no command "totl". Did you mean total?'],
      [["post", "ann", "Lamp", "0"], "must be a price"],
      [["post", "ann", "Lamp", "1000000.01"], "must be a price"],
      [["post", "ann", "Lamp", "1", "--quantity", "0"], "--quantity must be a whole number from 1 to 100000"],
      [["post", "ann", "Lamp", "1", "--quantity", "few"], '--quantity must be a whole number, and is "few".'],
      [["post", "ann", "Lamp", "1", "--wait", "31"], "--wait must be a whole number from 0 to 30"],
      [["generate", "0", "ann"], "<count> must be a whole number from 1 to 10000000"],
      [["generate", "1", "ann", "--run", "a b"], "--run must be 1 to 64 letters, digits, - and _"],
      [["import", "f.csv", "--map", "price=value"], "--map must be pairs like value=price,purchaseId=order, each for"],
      [["import", "f.csv", "--map", "value=a,value=b"], "--map must be pairs like value=price,purchaseId=order,"],
      [["import", "f.csv", "--set", "purchaseId=a"], "--set must be pairs like productType=Office,quantity=1,"],
      [["import", "f.csv", "--delimiter", ";;"], "--delimiter must be one character, or tab"],
      [["feed", "--after", "x"], "--after must be an id that the feed has printed"],
      [["rejected", "show", "7"], "<record> must be a record like 7/0"],
      [
        ["rules", "put", "hal", "r", "price", "1"],
        "<measure> must be one of value, quantity, total, spent, count, and"
      ],
      [["rules", "put", "hal", "r", "value", "much"], '<threshold> must be a number, like 200.00, and is "much".'],
      [["rules", "put", "hal", "a/b", "value", "1"], "<rule> must not contain /"],
      [["rules", "put", "hal", "r", "value", "1", "--is", "above"], "--is must be one of equal,"],
      [["rules", "show", "hal"], "<rule> is missing."],
      [["rules", "lists", "hal"], 'There is no command "lists". Did you mean list?'],
      [["total", "ann", "--timeout", "0"], "--timeout must be a whole number from 1 to 86400"]
    ] as const
    for (const [words, problem] of wrongs) {
      const said = await saidOf(words)
      expect(said).toContain(problem)
      expect(said.split("\n")).toHaveLength(2)
    }
  })
})

describe("the help of the command line", () => {
  it("the help says that the id of a replay follows from the record, and that a post makes a new id", async () => {
    const helpOf = async (...words: ReadonlyArray<string>) =>
      (await purchasesAt(nowhere, ...words, "--help")).out.replaceAll(/\s+/g, " ")
    expect(await helpOf("rejected", "replay")).toContain(
      "Without --id, the id follows from the record, like replay-7-0 for 7/0"
    )
    expect(await helpOf("post")).toContain("Without --id, the command makes a new id")
  })
})

describe("a wrong address", () => {
  it("a command with a wrong PURCHASES_URL ends with 2, and the message says that http:// is missing", async () => {
    const { code, error } = await purchasesAt("localhost:8081", "total", "ann")
    expect(code).toBe(2)
    expect(error).toBe(
      'purchases: PURCHASES_URL is wrong: "localhost:8081" is not an address of the service: http:// is missing. Write http://localhost:8081.\n'
    )
  })

  it("a command with a wrong --url exits with 2, and the message names --url", async () => {
    const { code, error } = await purchasesAt(nowhere, "--url", "ftp://ledger", "total", "ann")
    expect(code).toBe(2)
    expect(error).toMatch(/^purchases: --url is wrong: "ftp:\/\/ledger" .* begins with ftp:\/\//)
  })

  it("the help is printed even if the address is wrong", async () => {
    expect(await purchasesAt("localhost:8081", "total", "--help")).toMatchObject({ code: 0, error: "" })
  })
})
