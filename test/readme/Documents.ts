import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

/** A document of the project. The path of a document begins at the root of the project. */
export interface Document {
  readonly path: string
  readonly text: string
}

const readDocument = (path: string): Document => ({ path, text: readFileSync(join(projectRoot, path), "utf8") })

/** The pages of `docs/`, in the order of their paths. */
export const pages: ReadonlyArray<Document> = globSync("docs/**/*.md", { cwd: projectRoot })
  .toSorted()
  .map(readDocument)

export const readme = readDocument("README.md")

/** The documents whose commands are run, in this order on one system. */
export const runDocuments: ReadonlyArray<Document> = [readme, ...pages]

/** The documents whose links are checked. */
export const linkedDocuments: ReadonlyArray<Document> = [
  ...runDocuments,
  ...["CONTRIBUTING.md", "CHANGELOG.md"].map(readDocument)
]
