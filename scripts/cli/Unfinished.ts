/** A command failed with its `cause` when some of its work was done. The message says how much, and how to go on. */
export class Unfinished extends Error {
  override readonly name = "Unfinished"
}
