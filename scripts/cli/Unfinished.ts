/** The failure of a command that has done a part of its work. The message says how much is done, and how to go on. */
export class Unfinished extends Error {
  override readonly name = "Unfinished"
}
