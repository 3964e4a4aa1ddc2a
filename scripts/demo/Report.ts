/** Something was claimed, and came back differently. */
export class WrongClaim extends Error {
  override readonly name = "WrongClaim"
}

/** Prints what a demo does and claims. A claim that does not hold ends it. */
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

  /** Claims that what came back is what it shall be. */
  expect<A extends string | number | bigint | boolean>(claim: string, cameBack: A, shall: A): void {
    if (cameBack !== shall) throw new WrongClaim(`${claim}: came back as '${cameBack}', and should be '${shall}'`)
    this.print(` ✓ ${claim}: ${cameBack}`)
  }

  /** Claims what needs no more words than this. */
  holds(claim: string, isSo: boolean): void {
    if (!isSo) throw new WrongClaim(`this is not so: ${claim}`)
    this.print(` ✓ ${claim}`)
  }
}
