import { existsSync } from "node:fs"
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { cacheDirectory } from "./Cache.ts"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"
import { runTool } from "./Tool.ts"

const generatorVersion = "7.14.0"
const mavenDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"

/** The directory of the programs that use the clients. */
const programs = join(projectRoot, "test/edge/generated-clients")

/**
 * Makes a directory of the cache once. `fill` writes to another directory first, so that a broken run leaves no
 * incomplete directory.
 */
const cached = async (name: string, fill: (directory: string) => Promise<unknown>): Promise<string> => {
  const directory = join(cacheDirectory(), name)
  if (existsSync(directory)) return directory
  await mkdir(cacheDirectory(), { recursive: true })
  const begun = await mkdtemp(join(cacheDirectory(), "tmp."))
  try {
    await fill(begun)
    await rename(begun, directory)
  } finally {
    await rm(begun, { recursive: true, force: true })
  }
  return directory
}

const fetchGenerator = async (): Promise<string> => {
  const name = `openapi-generator-cli-${generatorVersion}`
  const artifact = `org.openapitools:openapi-generator-cli:${generatorVersion}`
  const directory = await cached(name, (begun) =>
    runTool(begun, "mvn", ["-q", "-B", `${mavenDependencies}:copy`, `-Dartifact=${artifact}`, "-DoutputDirectory=."])
  )
  return join(directory, `${name}.jar`)
}

/** A client in one language, in its own directory. */
export interface GeneratedClient {
  readonly language: string
  /** The programs that the client needs on this machine. */
  readonly tools: ReadonlyArray<string>
  /** Fetches the tools that are not in the cache yet. */
  readonly fetch: () => Promise<void>
  /** Generates the client from a document, and compiles it with the program that uses it. */
  readonly make: (directory: string, document: string) => Promise<void>
  /** Runs the program. Returns its output. */
  readonly run: (directory: string, url: string, userId: string) => Promise<string>
}

/** A short Java program takes half as long without the slower of Java's two compilers. */
const shortRun = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]

/** The programs that the generator itself needs. */
const generatorTools = ["java", "mvn"]

const generate = async (generator: string, document: string, into: string, options: ReadonlyArray<string> = []) => {
  const jar = await fetchGenerator()
  const quiet = [...shortRun, "-Dlog.level=error", "-jar", jar, "generate"]
  const texts = ["--global-property", "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"]
  await runTool(".", "java", [...quiet, "-g", generator, "-i", document, "-o", into, ...texts, ...options])
}

const goClient: GeneratedClient = {
  language: "Go",
  tools: [...generatorTools, "go"],
  fetch: async () => void (await fetchGenerator()),
  make: async (directory, document) => {
    await generate("go", document, join(directory, "ledger"), ["-p", "withGoMod=false,packageName=ledger"])
    await writeFile(join(directory, "go.mod"), "module generated\n\ngo 1.21\n")
    await copyFile(join(programs, "main.go"), join(directory, "main.go"))
    await runTool(directory, "go", ["build", "-o", "program", "."], { GOTOOLCHAIN: "local", GOFLAGS: "" })
  },
  run: (directory, url, userId) => runTool(directory, join(directory, "program"), [url, userId])
}

/** The libraries of a generated Java client, as its own build file lists them. */
const javaLibraries = (client: string): Promise<string> =>
  cached(`generated-java-libraries-${generatorVersion}`, (begun) =>
    runTool(client, "mvn", [
      "-q",
      "-B",
      `${mavenDependencies}:copy-dependencies`,
      "-DincludeScope=compile",
      `-DoutputDirectory=${begun}`
    ])
  )

const javaSources = async (directory: string): Promise<ReadonlyArray<string>> =>
  (await readdir(directory, { recursive: true }))
    .filter((name) => name.endsWith(".java"))
    .map((name) => join(directory, name))

const javaClient: GeneratedClient = {
  language: "Java",
  tools: generatorTools,
  fetch: async () => void (await fetchGenerator()),
  make: async (directory, document) => {
    await generate("java", document, directory)
    const libraries = await javaLibraries(directory)
    const sources = [join(programs, "Main.java"), ...(await javaSources(join(directory, "src/main")))]
    await writeFile(join(directory, "sources"), sources.map((source) => `"${source}"`).join("\n"))
    const options = [...shortRun.map((option) => `-J${option}`), "-nowarn", "-d", "classes", "-cp", `${libraries}/*`]
    await runTool(directory, "javac", [...options, "@sources"])
  },
  run: async (directory, url, userId) =>
    runTool(directory, "java", ["-cp", `classes:${await javaLibraries(directory)}/*`, "Main", url, userId])
}

const pythonLibraries = (): Promise<string> =>
  cached(`generated-python-libraries-${generatorVersion}`, (begun) =>
    runTool(begun, "python3", [
      ..."-m pip install --quiet --disable-pip-version-check --target .".split(" "),
      "--requirement",
      join(programs, "requirements.txt")
    ])
  )

const pythonClient: GeneratedClient = {
  language: "Python",
  tools: [...generatorTools, "python3"],
  fetch: async () => {
    await fetchGenerator()
    await pythonLibraries()
  },
  make: async (directory, document) => {
    await generate("python", document, directory)
    await runTool(directory, "python3", ["-m", "compileall", "-q", "openapi_client"])
    await copyFile(join(programs, "main.py"), join(directory, "main.py"))
  },
  run: async (directory, url, userId) =>
    runTool(directory, "python3", ["main.py", url, userId], { PYTHONPATH: await pythonLibraries() })
}

const typeScriptClient: GeneratedClient = {
  language: "TypeScript",
  tools: generatorTools,
  fetch: async () => void (await fetchGenerator()),
  make: async (directory, document) => {
    await generate("typescript-fetch", document, join(directory, "client"))
    await copyFile(join(programs, "main.ts"), join(directory, "main.ts"))
    const types = ["--types", "node", "--typeRoots", join(projectRoot, "node_modules/@types")]
    const options = ["--strict", "--target", "es2022", "--module", "nodenext", "--outDir", "program"]
    await runTool(directory, join(projectRoot, "node_modules/.bin/tsc"), [...options, ...types, "main.ts"])
  },
  run: (directory, url, userId) => runTool(directory, process.execPath, ["program/main.js", url, userId])
}

export const generatedClients: ReadonlyArray<GeneratedClient> = [goClient, javaClient, pythonClient, typeScriptClient]
