import { Schema } from "effect"

/** The version of the records of the commit chain. */
const version = 2

/** The first line of a commit, which describes the commit as a whole. */
export interface CommitHead {
  /** A take-over has no revisions, and begins the epoch of a new owner. */
  readonly kind: "commit" | "takeover"
  /** The sequence of the owner's take-over record; 0 in the take-over record itself. */
  readonly epoch: number
  /** The name of the worker that wrote the commit. */
  readonly worker: string
  /** The input sequence up to which everything of the partition is applied. */
  readonly position: number
}

const CommitHeadRecord = Schema.fromJsonString(
  Schema.Struct({
    v: Schema.Literal(version),
    kind: Schema.Literals(["commit", "takeover"]),
    epoch: Schema.Int,
    worker: Schema.String,
    position: Schema.Int
  })
)
const decodeHead = Schema.decodeUnknownSync(CommitHeadRecord)

/** Writes a commit as lines of JSON: the line of the head, and after that line the lines of the revisions. */
export const encodeCommit = (head: CommitHead, revisionLines: ReadonlyArray<string>): string =>
  [JSON.stringify({ v: version, ...head }), ...revisionLines, ""].join("\n")

/** Returns the first line of a commit. JSON escapes line feeds, so a line feed always ends a line. */
export const headLineOf = (commit: string): string => commit.slice(0, commit.indexOf("\n"))

/** Decodes the first line of a commit. Throws a SchemaError if the text is not a commit. */
export const headOf = (commit: string): CommitHead => decodeHead(headLineOf(commit))

const lineStartOf = (userToken: string): string => `\n["${userToken}",`

/**
 * Returns the line of a user's revision, without parsing the other lines. Returns `undefined` if the commit has no line
 * of the user.
 */
export const revisionLineOf = (commit: string, userToken: string): string | undefined => {
  const start = commit.indexOf(lineStartOf(userToken))
  return start < 0 ? undefined : commit.slice(start + 1, commit.indexOf("\n", start + 1))
}

/** Returns the lines of all revisions of a commit. */
export const revisionLinesOf = (commit: string): Array<string> => commit.split("\n").slice(1, -1)

/** Returns the user token with which a line begins. A user token holds no quotation mark. */
export const tokenOfLine = (line: string): string => line.slice(2, line.indexOf('"', 2))
