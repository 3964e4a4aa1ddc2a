import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"
import { projectRoot } from "../support/TestBroker.ts"

const read = (commit: string, name: string) =>
  JSON.parse(gunzipSync(readFileSync(join(projectRoot, "test/stored", commit, `${name}.json.gz`))).toString("utf8"))

/**
 * Returns what an installation of an earlier commit answered, by path: the text of an answer, or of a history the list of
 * purchases on each page of 500.
 */
export const storedAnswers = (commit: string): Readonly<Record<string, string | ReadonlyArray<string>>> =>
  read(commit, "answers")

/** Writes the files of an installation of an earlier commit into a new directory for a broker, and returns that. */
export const unpackInstallation = (commit: string): string => {
  const directory = mkdtempSync(join(tmpdir(), `purchase-ledger-${commit}-`))
  const files: Readonly<Record<string, string>> = read(commit, "files")
  for (const [name, base64] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.from(base64, "base64"))
  }
  return directory
}
