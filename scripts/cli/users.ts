import { Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { ListedUser } from "../../src/client/Answers.ts"
import { asking } from "./Asking.ts"
import { listed, listFlags, printList } from "./Listing.ts"
import { plain } from "./Output.ts"
import type { Column } from "./Table.ts"

const columns: ReadonlyArray<Column<ListedUser>> = [
  { name: "user", cell: ({ userId }) => userId },
  { name: "total", cell: ({ total }) => total, isNumber: true },
  { name: "purchases", cell: ({ purchaseCount }) => purchaseCount, isNumber: true },
  { name: "reversals", cell: ({ reversalCount }) => reversalCount, isNumber: true }
]

/** Writes a user as a line for a pipe. */
const userLine = ({ userId, total, currency, purchaseCount }: ListedUser): string =>
  `${String(total).padStart(14)} ${currency} ${String(purchaseCount).padStart(8)}  ${plain(userId)}`

export const users = Command.make(
  "users",
  {
    prefix: Flag.String("prefix").pipe(
      Flag.withDescription("Only users whose ids begin with this text. The service looks at every user for it"),
      Flag.optional
    ),
    ...listFlags
  },
  (given) =>
    asking(async (asked) => {
      const prefix = Option.getOrUndefined(given.prefix)
      const all = asked.client.users({ signal: asked.signal, ...(prefix === undefined ? {} : { prefix }) })
      const empty = prefix === undefined ? "There are no users." : `No user's id begins with ${plain(prefix)}.`
      await printList(asked, listed(all, given), { line: userLine, columns, empty })
    })
).pipe(
  Command.withDescription("All users with their totals, in no order of their ids"),
  Command.withExamples([{ command: "purchases users --prefix ann --all", description: "The users ann, anna, …" }])
)
