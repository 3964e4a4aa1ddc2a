import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type CommitHead,
  encodeCommit,
  headLineOf,
  revisionLineOf,
  revisionLinesOf,
  tokenOfLine
} from "../../src/protocol/Commit.ts"
import { encodeToken } from "../../src/protocol/Subject.ts"

const head: CommitHead = { kind: "commit", epoch: 3, worker: 'w\n["ann",', position: 12 }
const texts = fc.string({ unit: "binary", maxLength: 20 })
const tokens = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).map(encodeToken)
/** The rest of a commit's line after its user token: any JSON, with texts that look like the beginning of a line. */
const contents = fc.oneof(texts, fc.constantFrom('\n["ann",', '"],\n["bob",', '["ann",'))
const lines = fc.uniqueArray(fc.tuple(tokens, contents), { selector: ([token]) => token, maxLength: 20 })

describe("a commit as text", () => {
  it("the head and the line of each user are read back from a commit with any lines", () => {
    fc.assert(
      fc.property(lines, (written) => {
        const texts = written.map((line) => JSON.stringify(line))
        const commit = encodeCommit(head, texts)
        expect(JSON.parse(headLineOf(commit))).toEqual({ v: 2, ...head })
        expect(revisionLinesOf(commit)).toEqual(texts)
        expect(texts.map(tokenOfLine)).toEqual(written.map(([token]) => token))
        for (const [index, [token]] of written.entries()) expect(revisionLineOf(commit, token)).toBe(texts[index])
      })
    )
  })

  it("a commit has no line for a user that it does not name, even if a named token begins with the user's token", () => {
    const commit = encodeCommit(head, ['["annabel",1]', '["x","ann"]'])
    expect({ ann: revisionLineOf(commit, "ann"), w: revisionLineOf(commit, "w") }).toEqual({
      ann: undefined,
      w: undefined
    })
  })
})
