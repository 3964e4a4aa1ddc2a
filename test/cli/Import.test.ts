import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runCommand } from "../../scripts/cli/CommandLine.ts"
import { csvRecords } from "../../scripts/cli/CsvRecords.ts"
import { endOf } from "../../scripts/cli/ExitCode.ts"
import type { FileRecord, FileRecords } from "../../scripts/cli/FileRecord.ts"
import { ImportColumns } from "../../scripts/cli/ImportColumns.ts"
import { ImportFile } from "../../scripts/cli/ImportFile.ts"
import { batchesOf, ImportRun } from "../../scripts/cli/ImportRun.ts"
import { jsonRecords } from "../../scripts/cli/JsonRecords.ts"
import { Progress } from "../../scripts/cli/Progress.ts"
import { RefusedFile } from "../../scripts/cli/RefusedFile.ts"
import { type RunState, StateFile } from "../../scripts/cli/StateFile.ts"
import { centsOf, decimalOf } from "../../src/client/Amount.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { until } from "../../src/harness/system/TestBroker.ts"
import { serve, type TestServer } from "../support/TestServer.ts"
import { useService } from "../support/TestService.ts"
import { notNow, purchasesAt, RunningCommand, startAnswering, startStoring } from "./Cli.ts"

const directory = mkdtempSync(join(tmpdir(), "import-"))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
/** Writes a file with a name of its own, and returns its path. */
const fileOf = (text: string | Uint8Array, ending: string): string => {
  files += 1
  const path = join(directory, `file-${files}${ending}`)
  writeFileSync(path, text)
  return path
}
const newPath = (ending: string): string => join(directory, `new-${(files += 1)}${ending}`)

const linesOf = (path: string): ReadonlyArray<string> => readFileSync(path, "utf8").trimEnd().split("\n")

const header = "order,customer,article,kind,price,pieces"
const mapped = "--map=purchaseId=order,userId=customer,productName=article,productType=kind,value=price,quantity=pieces"

describe("purchases import", () => {
  const service = useService()
  let server: TestServer
  let url: string
  beforeAll(async () => {
    server = await serve(service.edge.app, {}, "", {})
    url = `http://127.0.0.1:${server.port}`
  })
  afterAll(() => server.close())

  const totalOf = async (userId: string): Promise<string> => {
    const { total, purchaseCount } = await new PurchaseClient({ url }).total(userId)
    return `${total} in ${purchaseCount}`
  }

  it("a CSV file that is imported twice counts once, with exact amounts and the columns of --map", async () => {
    const file = fileOf(
      `\uFEFF${header}\r\no-1,ann,"Lamp, ""big""",Office,0.29,3\r\no-2,ann,Desk,Office,1000000.00,1\r\n`,
      ".csv"
    )
    const stored = { code: 0, out: `2 purchases of ${file} are stored\n`, error: "" }
    expect(await purchasesAt(url, "import", file, mapped)).toEqual(stored)
    expect(await purchasesAt(url, "import", file, mapped)).toEqual(stored)
    expect(await totalOf("ann")).toBe("1000000.87 in 2")
    expect(await new PurchaseClient({ url }).receipt("ann", "o-1")).toMatchObject({ productName: 'Lamp, "big"' })
  })

  it("an import with --wait ends when all lines are applied, and a conflict is a refused line", async () => {
    const file = fileOf(`${header}\nw-1,wanda,Lamp,Office,0.29,3\nw-2,wanda,Desk,Office,10.00,1\n`, ".csv")
    expect(await purchasesAt(url, "import", file, mapped, "--wait")).toEqual({
      code: 0,
      out: `2 purchases of ${file} are applied\n`,
      error: ""
    })
    const other = fileOf(`${header}\nw-1,wanda,Lamp,Office,0.30,3\nw-3,wanda,Pen,Office,1.00,1\n`, ".csv")
    const { code, out, error } = await purchasesAt(url, "--json", "import", other, mapped, "--wait")
    expect({ code, out: JSON.parse(out) }).toMatchObject({ code: 1, out: { stored: 1, applied: 1, refused: 1 } })
    expect(error).toContain("line 2: ")
    expect(await totalOf("wanda")).toBe("11.87 in 3")
  })

  it("lines without ids of a file that is imported twice count once, and a message says how ids are made", async () => {
    const line = `{"userId":"bea","productName":"Lamp","value":12.50,"quantity":2}\n`
    const file = fileOf(line + line, ".ndjson")
    const command = ["import", file, "--set", "productType=Office"]
    const { code, out } = await purchasesAt(url, ...command)
    expect({ code, out }).toEqual({
      code: 0,
      out: `2 purchases of ${file} are stored\n2 of 2 lines have no id. Their ids follow from the whole file: a changed copy of it counts again.\n`
    })
    const json = await purchasesAt(url, "--json", ...command)
    expect(JSON.parse(json.out)).toEqual({ file, lines: 2, stored: 2, refused: 0 })
    expect(await totalOf("bea")).toBe("50.00 in 2")
  })

  it("the file of refused lines is mended and imported, and in the end every line counts once", async () => {
    const file = fileOf(
      [
        "userId,productName,productType,value,quantity",
        "cleo,Lamp,Office,12.50,2",
        'cleo,"Desk, ""white""",Office,"99,90",1',
        "cleo,Pen,Office,1.00",
        "cleo,Chair,Office,50.00,many"
      ].join("\n"),
      ".csv"
    )
    const refused = newPath(".csv")
    const first = await purchasesAt(url, "import", file, "--refused", refused)
    expect(first).toMatchObject({
      code: 1,
      error: expect.stringContaining(`3 of 4 lines were refused. Mend them in ${refused}`)
    })
    const [columns = "", ...lines] = readFileSync(refused, "utf8").trimEnd().split("\n")
    expect(columns).toBe("refusedBecause,purchaseId,userId,productName,productType,value,quantity")
    expect(lines.map((line) => line.replace(/import-[0-9a-f]{32}-/, "ID-"))).toEqual([
      '"value must be a price from 0.01 to 1000000.00, like 12.50, and is ""99,90""",ID-3,cleo,"Desk, ""white""",Office,"99,90",1',
      '"the line has 4 cells, and the first line has 5",ID-4,cleo,Pen,Office,1.00',
      '"quantity must be a whole number from 1 to 100000, and is ""many""",ID-5,cleo,Chair,Office,50.00,many'
    ])

    const mended = readFileSync(refused, "utf8").replace('"99,90",1', "99.90,1").replace("Office,1.00", "Office,1.00,1")
    writeFileSync(refused, mended)
    const again = newPath(".csv")
    expect(await purchasesAt(url, "import", refused, "--refused", again)).toMatchObject({ code: 1 })
    expect(linesOf(again)).toHaveLength(2)
    // The mended lines come again from a file with another content, and each line keeps the id of its first file.
    writeFileSync(refused, mended.replace("50.00,many", "50.00,1"))
    expect(await purchasesAt(url, "import", refused)).toMatchObject({ code: 0 })
    expect(await purchasesAt(url, "import", refused)).toMatchObject({ code: 0 })
    expect(await totalOf("cleo")).toBe("175.90 in 4")
  })

  it("a refused JSON line keeps its digits, and a line that is not JSON is kept as text", async () => {
    const file = fileOf(
      [
        '{"userId":"dan","productName":"Lamp","productType":"Office","value":12.500,"quantity":1}',
        "{broken",
        "",
        "[1]"
      ].join("\n"),
      ".ndjson"
    )
    const refused = newPath(".ndjson")
    const { code } = await purchasesAt(url, "import", file, "--refused", refused)
    expect(code).toBe(1)
    const lines = linesOf(refused)
    expect(lines[0]).toContain('"value":12.500,"quantity":1,"refusedBecause":"value must be a price')
    expect(lines.slice(1).map((line) => JSON.parse(line) as object)).toEqual([
      {
        text: "{broken",
        refusedBecause: expect.stringContaining("not JSON"),
        purchaseId: expect.stringMatching(/-2$/)
      },
      { text: "[1]", refusedBecause: "the line is not a JSON object", purchaseId: expect.stringMatching(/-4$/) }
    ])
    expect(await totalOf("dan")).toBe("0.00 in 0")
  })
})

/** Runs a command that fails in this process, and returns its failure. */
const failureOf = async (...words: ReadonlyArray<string>): Promise<unknown> => {
  const before = process.listeners("SIGINT")
  const failure = await Effect.runPromise(runCommand(words).pipe(Effect.flip))
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const listener of process.listeners(signal)) {
      if (!before.includes(listener)) process.removeListener(signal, listener)
    }
  }
  return failure
}

describe("purchases import, before it sends", () => {
  const nowhere = "http://127.0.0.1:1"

  it("a dry run checks each line and sends nothing", async () => {
    const edge = await startStoring()
    const file = fileOf(`${header}\no-1,ann,Lamp,Office,12.50,2\no-2,ann,Lamp,Office,1.005,2\n`, ".csv")
    const { code, out, error } = await purchasesAt(edge.url, "import", file, mapped, "--dry-run")
    await edge.stop()
    expect({ code, out }).toEqual({ code: 1, out: `1 purchases of ${file} can be sent\n` })
    expect(error).toContain("1 of 2 lines were refused.")
    expect(error).toContain('\n  line 3: price must be a price from 0.01 to 1000000.00, like 12.50, and is "1.005"\n')
    expect(edge.ids()).toEqual([])
  })

  it("a file that cannot be used ends with 2 and a message, and nothing is sent", async () => {
    const edge = await startStoring()
    const good = `${header}\no-1,ann,Lamp,Office,12.50,2\n`
    const csv = fileOf(good, ".csv")
    const wrongs: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
      [[newPath(".csv"), mapped], "cannot be read: ENOENT"],
      [[directory, "--format=csv", mapped], "cannot be read: EISDIR"],
      [[fileOf(good, ".txt"), mapped], "Say --format csv or --format ndjson."],
      [[csv], 'The file has no column "userId" for userId. Its columns are order, customer,'],
      [[csv, `${mapped}r`], 'The file has no column "piecesr" for quantity.'],
      [[csv, mapped.replace("order", "id")], 'The file has no column "id" for purchaseId.'],
      [[csv, mapped, "--set=quantity=1"], "quantity is in --map and in --set."],
      [
        [csv, "--set=value=1.005"],
        'value of --set must be a price from 0.01 to 1000000.00, like 12.50, and is "1.005".'
      ],
      [[csv, mapped, `--refused=${csv}`], "exists already. Name another file"],
      [[csv, mapped, `--state=${csv}`], "is named twice"],
      [[csv, mapped, `--state=${fileOf("{}", ".state")}`], "does not have the state of a command"],
      [[fileOf("", ".csv")], "The file is empty"],
      [[fileOf("a,a\n1,2\n", ".csv")], 'names the column "a" twice'],
      [[fileOf(`${good}o-2,ann,"Lamp,Office,1.00,1\n`, ".csv"), mapped], "The file is not CSV: Quote Not Closed"],
      [[fileOf(Buffer.from([...Buffer.from(good), 0xe4, 0x0a]), ".csv"), mapped], "is not UTF-8"]
    ]
    for (const [words, message] of wrongs) {
      const failure = await failureOf("--url", edge.url, "import", ...words)
      expect(endOf(failure)).toEqual([2, expect.stringContaining(message)])
    }
    await edge.stop()
    expect(edge.ids()).toEqual([])
  })

  it("an import with --wait sends stored lines again until they are applied, and names open lines at its end", async () => {
    let applied = 0
    const edge = await startAnswering((request, response) => {
      let text = ""
      request.on("data", (chunk: Buffer) => void (text += chunk.toString()))
      request.on("end", () => {
        response.writeHead(200, { "content-type": "application/x-ndjson" })
        const ids = [...text.matchAll(/"purchaseId":"([^"]+)"/g)].map(([, id = ""]) => id)
        for (const [index, purchaseId] of ids.entries()) {
          const status = purchaseId <= `o-${applied}` ? { status: "applied", runningTotal: 1 } : { status: "stored" }
          response.write(`${JSON.stringify({ line: index + 1, ...status, userId: "ann", purchaseId })}\n`)
        }
        applied += 1
        response.end()
      })
    })
    const lines = ["o-1,ann,Lamp,Office,1.00,1", "o-2,ann,Pen,Office,2.00,1", "o-3,ann,Desk,Office,3.00,1"]
    const file = fileOf([header, ...lines, ""].join("\n"), ".csv")
    expect(await purchasesAt(edge.url, "import", file, mapped, "--wait")).toMatchObject({
      code: 0,
      out: `3 purchases of ${file} are applied\n`
    })
    applied = -1_000_000
    const { code, error } = await purchasesAt(edge.url, "--timeout", "1", "import", file, mapped, "--wait")
    await edge.stop()
    expect(code).toBe(3)
    expect(error).toContain(
      "0 of 3 lines are done. 3 more are stored, and not applied yet: line 2, 3, 4. Continue with: "
    )
    expect(error).toMatch(/ import .* --wait\nLines that are sent again count once\.\n$/)
  })

  it("an import ends with 3 if the service cannot be reached, and names the command that goes on", async () => {
    const file = fileOf(`${header}\no-1,ann,Lamp,Office,12.50,2\n`, ".csv")
    const { code, error } = await purchasesAt(nowhere, "--timeout", "1", "import", file, mapped)
    expect(code).toBe(3)
    expect(error).toContain(`0 of 1 lines are done. Continue with: `)
    expect(error).toContain(` import ${file} --map=purchaseId=order,`)
  })
})

describe("an import that breaks off", () => {
  /** Returns a file of 20,000 lines, of which every thousandth cannot be stored. */
  const bigFile = (): string => {
    const lines = Array.from(
      { length: 20_000 },
      (_, index) => `o-${index},ann,Lamp,Office,${index % 1_000 === 0 ? "free" : "1.00"},1`
    )
    return fileOf([header, ...lines, ""].join("\n"), ".csv")
  }

  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    it(`an import that ${signal} ended goes on behind the settled lines, and writes no refused line twice`, async () => {
      const file = bigFile()
      const [refused, state] = [newPath(".csv"), newPath(".state")]
      const isDisliked = (line: string) => (line.includes('"o-7777"') ? "The service does not like it." : undefined)
      const edge = await startStoring(isDisliked, 12_000)
      const command = ["--url", edge.url, "import", file, mapped, "--refused", refused, "--state", state]
      const running = new RunningCommand(edge.url, ...command)
      await until(
        "two batches are done",
        async () => readdirSync(directory).includes(state.slice(directory.length + 1)) && settledIn(state) >= 10_000
      )
      const { endedBy, said } = await running.interrupt(signal)
      expect(endedBy).toBe(signal)
      if (signal === "SIGINT") {
        expect(said).toMatch(/10,000 of 20,000 lines are done\. Continue with: \S+ --url \S+ import /)
      }
      expect(settledIn(state)).toBe(10_000)
      const requestsBefore = edge.requests.length
      edge.release()
      const ended = await purchasesAt(edge.url, ...command)
      expect(ended).toMatchObject({ code: 1, out: `19979 purchases of ${file} are stored\n` })
      expect(edge.requests[requestsBefore]?.[0]).toBe("o-10001")
      expect(new Set(edge.ids()).size).toBe(19_980)
      const refusedIds = linesOf(refused)
        .slice(1)
        .map((line) => /o-\d+/.exec(line)?.[0])
      const wanted = [...Array.from({ length: 20 }, (_, index) => index * 1_000), 7_777].sort(
        (one, other) => one - other
      )
      expect(refusedIds).toEqual(wanted.map((index) => `o-${index}`))

      const sent = edge.ids().length
      expect(await purchasesAt(edge.url, ...command)).toMatchObject({ code: 1, out: ended.out })
      writeFileSync(file, `${readFileSync(file, "utf8")}o-x,ann,Lamp,Office,1.00,1\n`)
      const changed = await purchasesAt(edge.url, ...command)
      expect(changed).toMatchObject({ code: 2, error: expect.stringContaining("is of another command: its sha256 is") })
      await edge.stop()
      expect(edge.ids().length).toBe(sent)
    }, 120_000)
  }

  const settledIn = (state: string): number => (JSON.parse(readFileSync(state, "utf8")) as { settled: number }).settled

  it("lines are sent again while the service is busy, and a refused line keeps its reason", async () => {
    let isAway = true
    const edge = await startAnswering((request, response) => {
      let text = ""
      request.on("data", (chunk: Buffer) => void (text += chunk.toString()))
      request.on("end", () => {
        response.writeHead(200, { "content-type": "application/x-ndjson" })
        const answers = text
          .trim()
          .split("\n")
          .map((line, index) => {
            if (isAway && index === 0) return `{"line":1,"status":"unknown","problem":${notNow("away")}}\n`
            const isRefused = line.includes('"o-2"')
            return isRefused
              ? `{"line":1,"status":"refused","problem":{"type":"t","title":"t","status":422,"detail":"Not this one."}}\n`
              : `{"line":1,"status":"stored","userId":"ann","purchaseId":"p"}\n`
          })
        isAway = false
        response.end(answers.join(""))
      })
    })
    const file = fileOf(
      `${header}\no-1,ann,Lamp,Office,1.00,1\no-2,ann,Pen,Office,2.00,1\no-3,ann,Desk,Office,3.00,1\n`,
      ".csv"
    )
    const refused = newPath(".csv")
    const { code, out } = await purchasesAt(edge.url, "import", file, mapped, "--refused", refused)
    await edge.stop()
    expect({ code, out }).toEqual({ code: 1, out: `2 purchases of ${file} are stored\n` })
    expect(linesOf(refused)).toEqual([`refusedBecause,${header}`, "Not this one.,o-2,ann,Pen,Office,2.00,1"])
  })
})

const given = async function* (...chunks: ReadonlyArray<string>) {
  yield* chunks
}

const all = async (opened: FileRecords): Promise<ReadonlyArray<FileRecord>> => {
  const records: Array<FileRecord> = []
  for await (const record of opened.records) records.push(record)
  return records
}

describe("records of a file", () => {
  const columns = new ImportColumns(new Map(), new Map([["productType", "Office"]]))
  const purchaseIn = async (opened: FileRecords) => {
    const [record] = await all(opened)
    return record === undefined ? undefined : columns.purchaseOf(record, "made")
  }

  it("an amount of a CSV cell, a JSON text and a JSON number stays the same to the cent", async () => {
    const amount = fc.bigInt({ min: 1n, max: 100_000_000n })
    await fc.assert(
      fc.asyncProperty(amount, async (cents) => {
        const text = decimalOf(cents)
        const csv = csvRecords(given(`userId,productName,value,quantity\nann,Lamp,${text},1\n`), ",")
        const json = (value: string) =>
          jsonRecords(given(`{"userId":"ann","productName":"Lamp","value":${value},"quantity":1}`))
        for (const opened of [await csv, json(text), json(`"${text}"`)]) {
          const purchase = await purchaseIn(opened)
          expect(purchase).toMatchObject({ purchaseId: "made", value: text, quantity: 1 })
          if (typeof purchase === "object") expect(centsOf(purchase.value)).toBe(cents)
        }
      })
    )
  })

  it("an amount that a float would round to cents is refused", async () => {
    for (const value of [
      "12.500000000000000000001",
      "0.010000000000000000001",
      "1.005",
      "1e2",
      "12,50",
      " 1.00",
      "1000000.01",
      "0"
    ]) {
      const csv = await csvRecords(given(`userId;productName;value;quantity\nann;Lamp;${value};1\n`), ";")
      expect(await purchaseIn(csv)).toContain(`like 12.50, and is "${value}"`)
    }
    for (const value of ["12.500000000000000000001", "1.005", "1e2", "-1"]) {
      const json = jsonRecords(given(`{"userId":"ann","productName":"Lamp","value":${value},"quantity":1}`))
      expect(await purchaseIn(json)).toContain(`like 12.50, and is "${value}"`)
    }
  })

  it("the reason for a refused line names the column of the wrong member, and the text in the column", async () => {
    const lines = [
      [`{"userId":"a/b","productName":"Lamp","value":1,"quantity":1}`, "userId must not contain /"],
      [`{"userId":4711,"productName":"","value":1,"quantity":1}`, "productName must not be empty"],
      [
        `{"userId":"ann","productName":"Lamp","value":1,"quantity":2.5}`,
        "quantity must be a whole number from 1 to 100000"
      ],
      [`{"userId":"ann","productName":"Lamp","value":1}`, "quantity is missing"],
      [
        `{"userId":["ann"],"productName":"Lamp","value":1,"quantity":1}`,
        "userId is missing, or is neither text nor a number"
      ],
      [
        `{"userId":"ann","productName":"Lamp","value":1000000,"quantity":100000}`,
        "1000000 times 100000 is more than 10000000000.00"
      ],
      [`{"purchaseId":"","userId":"ann","productName":"Lamp","value":1,"quantity":1}`, "purchaseId must not be empty"]
    ] as const
    for (const [line, problem] of lines) expect(await purchaseIn(jsonRecords(given(line)))).toContain(problem)
  })

  it("a refused CSV record has the same cells after it is written and read again", async () => {
    const cell = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r\n", " ", "ä", "'") })
    await fc.assert(
      fc.asyncProperty(cell, cell, async (one, other) => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
        const read = await csvRecords(given(`a,b\n${quoted(one)},${quoted(other)}\n`), ",")
        const [record] = await all(read)
        const line = record?.refusedLine('because, "so"', { column: "id", id: "x" })
        const again = await csvRecords(given(`${read.refusedHeader("id")}\n${line}\n`), ",")
        const [found] = await all(again)
        expect([found?.text("a"), found?.text("b"), found?.text("id"), found?.text("refusedBecause")]).toEqual([
          one,
          other,
          "x",
          'because, "so"'
        ])
        expect(again.refusedHeader("id")).toBe(read.refusedHeader("id"))
        expect(found?.refusedLine("now", { column: "id", id: "x" })).toBe(
          record?.refusedLine("now", { column: "id", id: "x" })
        )
      })
    )
  })

  it("an import reads no further ahead than one batch, however long the file is", async () => {
    let chunks = 0
    const endless = async function* () {
      yield "userId,productName,value,quantity\n"
      for (;;) {
        chunks += 1
        yield "ann,Lamp,1.00,1\n".repeat(1_000)
      }
    }
    const { records } = await csvRecords(endless(), ",")
    const batches = batchesOf(records, 0)
    const { value } = await batches.next()
    await batches.return(undefined)
    expect(value).toHaveLength(5_000)
    expect(chunks).toBeLessThan(15)
  })
})

describe("the files of an import", () => {
  it("after a kill, the file of refused lines goes on behind the kept bytes, and has no line twice", () => {
    const path = newPath(".csv")
    const killed = RefusedFile.open(path, "header", 0)
    killed.append(["one"])
    const kept = killed.bytes
    killed.append(["two", "a line that is longer than the next"])
    const next = RefusedFile.open(path, "header", kept)
    next.append(["two"])
    expect(existsSync(path)).toBe(false)
    next.finish()
    expect(linesOf(path)).toEqual(["header", "one", "two"])
    expect(() => RefusedFile.open(newPath(".csv"), "header", 5)).toThrow("cannot be written: ENOENT")
  })

  it("refused lines are in the file of --refused before the file of --state counts them as settled", async () => {
    const lines = Array.from({ length: 12_000 }, (_, index) => `${index % 1_000 === 0 ? "{" : "[]"}`)
    const file = new ImportFile(fileOf(lines.join("\n"), ".ndjson"), "ndjson", ",")
    const refusedPath = newPath(".ndjson")
    const kept: Array<readonly [settled: number, written: number]> = []
    class WatchedState extends StateFile {
      override write(state: RunState): void {
        kept.push([state.settled, readFileSync(`${refusedPath}.part`, "utf8").split("\n").length - 1])
        super.write(state)
      }
    }
    const stateFile = new WatchedState(newPath(".state"))
    const columns = new ImportColumns(new Map(), new Map())
    const signal = new AbortController().signal
    await new ImportRun(
      { file, columns, work: {}, stateFile, refusedPath, isDry: false, untilApplied: false },
      {
        clientTelling: () => new PurchaseClient({ url: "http://ledger" }),
        signal,
        timeoutMilliseconds: 1_000,
        onRetry: () => undefined,
        progress: new Progress()
      }
    ).run()
    expect(kept).toEqual([0, 5_000, 10_000, 12_000, 12_000].map((count) => [count, count]))
  })
})
