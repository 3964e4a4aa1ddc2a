/** The failure of a command whose file cannot be used as it is. The message of this failure is for people. */
export class UnusableFile extends Error {
  override readonly name = "UnusableFile"
}

/** Returns the code of a failed call of the operating system; `undefined` for another failure. */
export const codeOf = (failure: unknown): string | undefined => (failure as NodeJS.ErrnoException).code
