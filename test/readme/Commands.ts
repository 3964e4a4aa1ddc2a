/** A command of a document, and the output that the document claims. */
export interface Command {
  readonly text: string
  /** The line of the document. */
  readonly line: number
  /** The claims. Each claim is a text, or several texts with `…` between them that follow each other. */
  readonly claims: ReadonlyArray<string>
}

/** Matches a text between backticks that is run as a command. Options and names of files do not match. */
const inline = /`((?:(?:npm|npx|scripts\/nats|scripts\/[a-z]+\.sh) |\.\/[a-z]+\.sh|scripts\/stop\.sh)[^`]*)`/g

/** Matches a comment that shows output, and does not explain. */
const claimed = /^(?:→ |[0-9]{3} … )?.*\{"|^→ /

/** Returns where the comment of a line begins, outside of quotes, and whether a quote is left open. */
const scan = (text: string): { readonly code: string; readonly comment: string; readonly isOpen: boolean } => {
  let quote = ""
  for (const [at, character] of [...text].entries()) {
    if (quote !== "") quote = character === quote ? "" : quote
    else if (character === "'" || character === '"') quote = character
    else if (character === "#" && (at === 0 || text[at - 1] === " ")) {
      return { code: text.slice(0, at).trim(), comment: text.slice(at + 1).trim(), isOpen: false }
    }
  }
  return { code: text.trim(), comment: "", isOpen: quote !== "" }
}

/** Returns the commands of a shell block. A command may take several lines. */
const commandsIn = (lines: ReadonlyArray<string>, firstLine: number): ReadonlyArray<Command> => {
  const commands: Array<Command & { readonly claims: Array<string> }> = []
  let begun = ""
  let begunAt = 0
  for (const [index, line] of lines.entries()) {
    if (begun === "") begunAt = firstLine + index
    begun += begun === "" ? line : `\n${line}`
    const { code, comment, isOpen } = scan(begun)
    if (isOpen || /[|\\]$/.test(code)) continue
    begun = ""
    if (code !== "") commands.push({ text: code, line: begunAt, claims: [] })
    if (claimed.test(comment)) commands.at(-1)?.claims.push(comment.replace(/^→ /, ""))
  }
  return commands
}

/**
 * Returns all commands of a document in their order: the commands of shell blocks, and the commands between backticks.
 */
export const commandsOf = (document: string): ReadonlyArray<Command> => {
  const commands: Array<Command> = []
  let fence: { readonly language: string; readonly from: number; readonly lines: Array<string> } | undefined
  for (const [index, line] of document.split("\n").entries()) {
    if (line.startsWith("```")) {
      if (fence?.language === "sh") commands.push(...commandsIn(fence.lines, fence.from))
      fence = fence === undefined ? { language: line.slice(3), from: index + 2, lines: [] } : undefined
    } else if (fence !== undefined) fence.lines.push(line)
    else for (const [, text = ""] of line.matchAll(inline)) commands.push({ text, line: index + 1, claims: [] })
  }
  return commands
}

/** Returns the claims that are not in the output; an empty list if all are. */
export const missing = (claims: ReadonlyArray<string>, output: string): ReadonlyArray<string> =>
  claims.filter((claim) => {
    let from = 0
    for (const part of claim.split("…").map((text) => text.trim())) {
      const at = output.indexOf(part, from)
      if (at < 0) return true
      from = at + part.length
    }
    return false
  })
