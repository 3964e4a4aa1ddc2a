import { Exit, Option } from "effect"

/** Returns the failure of an effect, or `undefined` if it succeeded, was interrupted, or met a defect. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E | undefined =>
  Option.getOrUndefined(Exit.findErrorOption(exit))
