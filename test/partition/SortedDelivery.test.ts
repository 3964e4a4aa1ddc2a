import { describe, expect, it } from "vitest"
import { encodeToken, partitionOf } from "../../src/protocol/Subject.ts"
import { sortDelivery } from "../../src/partition/SortedDelivery.ts"
import { inputMessage, type Sold, sold } from "../../src/harness/system/Sold.ts"
import { userIn } from "../../src/harness/system/TestSystem.ts"

const partitions = 4
const cafe = "caf\u00e9"

/** Sorts a message that was sent for a token, in the partition of the first purchase's user. */
const sorted = (userToken: string | undefined, ...sales: ReadonlyArray<Sold>) => {
  const partition = partitionOf(encodeToken(sales[0]?.userId ?? ""), partitions)
  const payload = Buffer.from(inputMessage(sales))
  const { byUser, unreadable } = sortDelivery(
    { payload, sequence: 7, storedAt: 1_000, userToken },
    { partition, partitions }
  )
  return {
    applied: byUser.map(({ userToken: token, deliveries }) => [token, deliveries.map(({ inputIndex }) => inputIndex)]),
    rejected: unreadable.map(({ index, reason }) => ({ index, reason }))
  }
}

describe("a message that was sent for one user", () => {
  it.each(["ann", "ann@x.org", cafe, "=many", "=41"])(
    "the purchases of the user for whom a message was sent are applied (%s)",
    (user) => {
      expect(sorted(encodeToken(user), sold(user, "p1"), sold(user, "p2"))).toEqual({
        applied: [[encodeToken(user), [0, 1]]],
        rejected: []
      })
    }
  )

  it.each([0, 1, 2, 3])(
    "a purchase in a message for another user is rejected in partition %i; the reason names both users",
    (partition) => {
      const [ann, bob] = [userIn(1, partitions, "ann"), userIn(partition, partitions, "bob")]
      expect(sorted(ann, sold(ann, "p1"), sold(bob, "p2"), sold(ann, "p3"))).toEqual({
        applied: [[ann, [0, 2]]],
        rejected: [{ index: 1, reason: `sent for user ${ann}, but it is a purchase of user ${bob}` }]
      })
    }
  )

  it.each([
    ["an escaped letter", "ann", "=61nn"],
    ["a plain character that must be escaped", "ann@x", "ann@x"],
    ["letters of the escape in lower case", cafe, "caf=c3=a9"],
    ["a plain letter outside of ASCII", cafe, cafe],
    ["another Unicode normalization form", cafe, "cafe=CC=81"]
  ])("a purchase is rejected in every partition if its user is written with %s", (_way, user, token) => {
    expect(sorted(token, sold(user, "p1"))).toEqual({
      applied: [],
      rejected: [
        { index: 0, reason: `sent for user ${user} written as "${token}": write it as "${encodeToken(user)}"` }
      ]
    })
  })

  it.each([
    ["an escape of no byte", "=zz", "=zz"],
    ["an unfinished escape", "ann=4", "ann=4"],
    ["the beginning of a group", "=manyx", "=manyx"],
    ["bytes that are not UTF-8", "=FF", "=FF"],
    ["a control character", "=00", "=00"],
    ["a path", "a=2Fb", "a=2Fb"],
    ["a character that hides what follows", "\u202Eann", "<U+202E>ann"],
    ["more than a user may have", "x".repeat(4_000), `${"x".repeat(768)}…`]
  ])("a purchase is rejected if the subject of its message has no user, but %s", (_what, token, shown) => {
    expect(sorted(token, sold("ann", "p1"))).toEqual({
      applied: [],
      rejected: [{ index: 0, reason: `sent for "${shown}", which is not a user id, but it is a purchase of user ann` }]
    })
  })
})

describe("a message that was sent for a group", () => {
  it("in a message for many users, the purchases of the partition's users are applied, and all others rejected", () => {
    const [ann, bob, eve] = [userIn(1, partitions, "ann"), userIn(1, partitions, "bob"), userIn(2, partitions, "eve")]
    expect(sorted(undefined, sold(ann, "p1"), sold(bob, "p2"), sold(eve, "p3"))).toEqual({
      applied: [
        [ann, [0]],
        [bob, [1]]
      ],
      rejected: [{ index: 2, reason: `user ${eve} belongs to partition 2, not 1` }]
    })
  })
})

it("a purchase of the message's own user is rejected in a partition that is not the user's", () => {
  const eve = userIn(2, partitions, "eve")
  const payload = Buffer.from(inputMessage([sold(eve, "p1")]))
  const delivery = { payload, sequence: 7, storedAt: 1_000, userToken: eve }
  const { byUser, unreadable } = sortDelivery(delivery, { partition: 1, partitions })
  expect(byUser).toEqual([])
  expect(unreadable).toMatchObject([{ index: 0, reason: `user ${eve} belongs to partition 2, not 1` }])
})
