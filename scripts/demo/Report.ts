/** Says that a claim of the demo does not hold. */
export class WrongClaim extends Error {
  override readonly name = "WrongClaim"
}

/** Prints the steps and claims of a demo. If a claim does not hold, `Report` throws a WrongClaim. */
export class Report {
  private readonly print: (line: string) => void

  constructor(print: (line: string) => void) {
    this.print = print
  }

  title(text: string): void {
    this.print(`\n== ${text}`)
  }

  say(text: string): void {
    this.print(`   ${text}`)
  }

  /** Claims that the returned value equals the expected value. */
  expect<A extends string | number | bigint | boolean>(claim: string, cameBack: A, shall: A): void {
    if (cameBack !== shall) throw new WrongClaim(`${claim}: came back as '${cameBack}', and should be '${shall}'`)
    this.print(` ✓ ${claim}: ${cameBack}`)
  }

  /** Claims that `isSo` is `true`, without a value to print. */
  holds(claim: string, isSo: boolean): void {
    if (!isSo) throw new WrongClaim(`this is not so: ${claim}`)
    this.print(` ✓ ${claim}`)
  }
}
