import { execFile, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { packClient } from "../../scripts/client/ClientPackage.ts"
import { browserNeeded, launchChromium } from "../../src/harness/system/Browser.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { startedBeforeAll } from "../support/StartedBefore.ts"
import { serve } from "../support/TestServer.ts"
import { useService } from "../support/TestService.ts"
import { isInstalled } from "../support/Tool.ts"

const run = promisify(execFile)

const programOf = (value: string) => `
import { centsOf, PurchaseClient } from "purchase-ledger-client"

const [url = ""] = process.argv.slice(2)
const ann = "ann-" + process.argv[3]
const bob = "bob-" + process.argv[3]
const client = new PurchaseClient({ url })
const lamp = { userId: ann, productName: "La\\"mp", productType: "Office", value: ${value}, quantity: 100 }
const posted = await client.post(lamp, { waitSeconds: 10 })
await client.post({ ...lamp, purchaseId: posted.purchaseId }, { waitSeconds: 10 })
const many = Array.from({ length: 3_000 }, (_, number) => ({ ...lamp, userId: bob, purchaseId: "p" + number }))
let stored = 0
for await (const { outcome } of client.postAll(many)) if (outcome.status === "stored") stored += 1
const { total, purchaseCount } = await client.total(ann)
const entries: Array<string> = []
for await (const entry of client.history(ann)) entries.push(entry.total)
let event = ""
for await (const next of client.feed({ userId: ann, after: "0" })) {
  if (next.kind !== "applied") continue
  event = next.applied.purchases[0]?.runningTotal ?? ""
  break
}
const receipt = await client.receipt(ann, posted.purchaseId)
console.log(JSON.stringify({
  total: centsOf(total).toString(),
  purchaseCount,
  stored,
  many: (await client.total(bob)).total,
  entries,
  receipt: receipt.value,
  event
}))
process.exit()
`

const pageProgram = `(async () => {
  const { PurchaseClient } = await import("/package/index.js")
  const client = new PurchaseClient({ url: location.origin })
  await client.post({ userId: "web", productName: "Lamp", productType: "Office", value: 99999999n, quantity: 1 }, { waitSeconds: 10 })
  const { total } = await client.total("web")
  for await (const { applied } of client.feed({ userId: "web", after: "0" })) {
    return { total, event: applied.purchases[0].runningTotal }
  }
})()`

const declarations = `
declare const process: { readonly argv: ReadonlyArray<string>; exit(): never }
`

const compilerOptions = {
  target: "es2022",
  module: "nodenext",
  lib: ["es2022", "dom", "dom.iterable", "dom.asynciterable"],
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  outDir: "out"
}

/** An empty project in a directory of its own, with the client's package as its one dependency. */
class EmptyProject {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async start(): Promise<EmptyProject> {
    const project = new EmptyProject(mkdtempSync(join(tmpdir(), "client-")))
    const tarball = await packClient(join(project.directory, "package"))
    mkdirSync(join(project.directory, "app"))
    project.write("package.json", JSON.stringify({ name: "app", private: true, type: "module" }))
    project.write("tsconfig.json", JSON.stringify({ compilerOptions, include: ["*.ts"] }))
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: project.app })
    return project
  }

  get app(): string {
    return join(this.directory, "app")
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.app, name), text)
  }

  /** Compiles the project, and returns what the compiler prints. */
  async compile(program: string): Promise<string> {
    this.write("main.ts", program)
    this.write("process.d.ts", declarations)
    const { stdout } = await run(join(projectRoot, "node_modules/.bin/tsc"), ["--project", "."], {
      cwd: this.app
    }).catch((failed: { readonly stdout: string }) => failed)
    return stdout
  }

  async stop(): Promise<void> {
    rmSync(this.directory, { recursive: true })
  }
}

/** The result of {@link programOf}. */
const seen = {
  total: "9999999900",
  purchaseCount: 1,
  stored: 3_000,
  many: "299999997000.00",
  entries: ["99999999.00"],
  receipt: "999999.99",
  event: "99999999.00"
}

const bunNeeded = {
  tests: "of the client's package on Bun",
  missing: isInstalled("bun") ? undefined : "no Bun",
  remedy: "Run npm install --global bun."
}

const pinned = join(projectRoot, "node_modules/.bin/node")
const installed = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "node"))

/** Returns the path of a version of Node on this machine; `undefined` if that version is not installed. */
const nodeOf = (major: number): string | undefined =>
  [pinned, ...installed].find((node) =>
    spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.startsWith(`v${major}.`)
  )

describe("the client's package", () => {
  const project = startedBeforeAll(() => EmptyProject.start())
  const service = useService()
  let printed: string
  beforeAll(async () => void (printed = await project.compile(programOf('"999999.99"'))))

  it("a strict project without types of Node compiles with the package", () => {
    expect(printed).toBe("")
  })

  for (const major of [20, 22, 24, 26]) {
    const node = nodeOf(major)
    it.skipIf(node === undefined)(
      `Node ${major} stores purchases once through the package, and reads exact amounts`,
      async () => {
        const { port, close } = await serve(service.edge.app, {}, "", {})
        const args = ["out/main.js", `http://127.0.0.1:${port}`, String(major)]
        const { stdout } = await run(node ?? "", args, { cwd: project.app })
        await close()
        expect(JSON.parse(stdout)).toEqual(seen)
      }
    )
  }

  it("Bun stores purchases once through the package, and reads exact amounts", needs(bunNeeded), async () => {
    const { port, close } = await serve(service.edge.app, {}, "", {})
    const { stdout } = await run("bun", ["out/main.js", `http://127.0.0.1:${port}`, "bun"], { cwd: project.app })
    await close()
    expect(JSON.parse(stdout)).toEqual(seen)
  })

  describe("the client's package in a browser", needs(browserNeeded), () => {
    it("a page of the ledger stores a purchase through the package, and follows the feed", async () => {
      const { port, close } = await serve(service.edge.app, {}, "", {})
      const browser = await launchChromium()
      const page = await browser.newPage()
      await page.route("**/package/*", (route) =>
        route.fulfill({
          path: join(project.directory, "package", new URL(route.request().url()).pathname.split("/")[2] ?? "")
        })
      )
      await page.goto(`http://127.0.0.1:${port}/`)
      const seen = await page.evaluate(pageProgram)
      await browser.close()
      await close()
      expect(seen).toEqual({ total: "999999.99", event: "999999.99" })
    })
  })

  it("a project that gives an amount as a number does not compile", async () => {
    expect(await project.compile(programOf("12.5"))).toContain("error TS2345")
  })
})
