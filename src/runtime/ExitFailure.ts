import { Exit, Option } from "effect"

/** Returns the error that an effect failed with; `undefined` after a success, a defect, or an interruption. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E | undefined =>
  Option.getOrUndefined(Exit.findErrorOption(exit))
