import { describe, expect, it } from "vitest"
import {
  commitBytesMax,
  commitRevisionsMax,
  ProposalQueue,
  type RevisionProposal
} from "../../src/ledger/ProposalQueue.ts"

const proposal = (userToken: string, line: string): RevisionProposal<number> => ({
  userToken,
  line: () => line,
  parts: [],
  purchases: 1,
  committed: () => undefined
})

const queueOf = (proposals: ReadonlyArray<RevisionProposal<number>>) => {
  const queue = new ProposalQueue<number>()
  for (const one of proposals) queue.add(one)
  return queue
}

const lines = (sizes: ReadonlyArray<number>) =>
  queueOf(sizes.map((bytes, index) => proposal(`u${index}`, "x".repeat(bytes))))

/** Returns the number of revisions in the next commit. */
const taken = (queue: ProposalQueue<number>) => queue.takeCommit().userTokens.length

describe("a commit that takes proposals from a queue", () => {
  it("a commit takes at most 128 KiB and 1,000 revisions of a queue", () => {
    expect(commitBytesMax).toBe(128 * 1024)
    const quarters = lines(Array.from({ length: 10 }, () => commitBytesMax / 4))
    expect([1, 2, 3, 4].map(() => taken(quarters))).toEqual([3, 3, 3, 1])
    expect(quarters.isEmpty).toBe(true)
    const small = lines(Array.from({ length: 1_500 }, () => 2))
    expect({ first: taken(small), second: taken(small) }).toEqual({ first: commitRevisionsMax, second: 500 })
  })

  it("a commit takes a larger revision alone", () => {
    const queue = lines([commitBytesMax + 1, 10, commitBytesMax * 2, 10])
    expect([1, 2, 3, 4].map(() => taken(queue))).toEqual([1, 1, 1, 1])
  })

  it("a commit counts the bytes of UTF-8, and not the characters", () => {
    const euros = () => proposal("u", "€".repeat(commitBytesMax / 5))
    expect(taken(queueOf([euros(), euros(), euros()]))).toBe(1)
  })

  it("each revision of a queue is encoded once, when its commit is made", () => {
    const written: Array<string> = []
    const queue = queueOf(
      ["ann", "bob", "cid"].map((userToken) => ({
        ...proposal(userToken, ""),
        line: () => {
          written.push(userToken)
          return "x".repeat(commitBytesMax / 2 + 1)
        }
      }))
    )
    expect(written).toEqual([])
    const commits = [1, 2, 3].map(() => queue.takeCommit())
    expect(commits.map(({ userTokens }) => userTokens)).toEqual([["ann"], ["bob"], ["cid"]])
    expect(written).toEqual(["ann", "bob", "cid"])
  })
})
