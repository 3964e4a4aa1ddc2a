import type { Case } from "./Case.ts"
import { endToEndCases } from "./cases/EndToEnd.ts"
import { feeds } from "./cases/Feeds.ts"
import { generate } from "./cases/Generate.ts"
import { growthCases } from "./cases/Growth.ts"
import { lines } from "./cases/Lines.ts"
import { longAccount } from "./cases/LongAccount.ts"
import { posts } from "./cases/Posts.ts"
import { reads } from "./cases/Reads.ts"
import { recoveryCases } from "./cases/Recovery.ts"
import { requests } from "./cases/Requests.ts"
import { rules } from "./cases/Rules.ts"
import { rulesPath } from "./cases/RulesPath.ts"
import { rulesStart } from "./cases/RulesStart.ts"
import { start } from "./cases/Start.ts"
import { tokens } from "./cases/Tokens.ts"

/** All cases of the benchmark, in the order in which they run. */
export const cases: ReadonlyArray<Case> = [
  ...endToEndCases,
  lines,
  generate,
  posts,
  requests,
  reads,
  tokens,
  feeds,
  start,
  ...recoveryCases,
  rules,
  rulesPath,
  rulesStart,
  longAccount,
  ...growthCases
]
