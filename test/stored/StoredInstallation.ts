import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"
import { projectRoot } from "../../src/harness/system/TestBroker.ts"

const read = (commit: string, name: string) =>
  JSON.parse(gunzipSync(readFileSync(join(projectRoot, "test/stored", commit, `${name}.json.gz`))).toString("utf8"))

/**
 * Returns the answers of an installation of an earlier commit, by path. An answer stands as its text. For a history the
 * answer is the list of purchases on each page of 500.
 */
export const storedAnswers = (commit: string): Readonly<Record<string, string | ReadonlyArray<string>>> =>
  read(commit, "answers")

/** Returns the files of an installation of an earlier commit, by their path. */
const storedFiles = (commit: string): Array<readonly [path: string, content: Buffer]> =>
  Object.entries<string>(read(commit, "files")).map(([path, base64]) => [path, Buffer.from(base64, "base64")])

/**
 * Writes the files of an installation of an earlier commit into a new directory for a broker. Returns the directory.
 */
export const unpackInstallation = (commit: string): string => {
  const directory = mkdtempSync(join(tmpdir(), `purchase-ledger-${commit}-`))
  for (const [name, content] of storedFiles(commit)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  return directory
}

/** Returns the messages and the settings of a stream that differ in any byte from those of the unpacked files. */
export const changedFiles = (commit: string, directory: string, stream: string): Array<string> =>
  storedFiles(commit)
    .filter(([path]) => path.includes(`/${stream}/`) && /\.blk$|meta\.inf$/.test(path))
    .filter(([path, content]) => !content.equals(readFileSync(join(directory, path))))
    .map(([path]) => path)
