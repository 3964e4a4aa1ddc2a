import type { Caller } from "./Caller.ts"

/** Calls listeners when the rights of callers end. One watch serves all feeds of an edge. */
export class EndWatch {
  private readonly watched = new Map<object, { readonly caller: Caller; readonly ended: () => void }>()

  /** Calls `ended` once when the rights of a caller end. Returns a function that stops the watch. */
  add(caller: Caller, ended: () => void): () => void {
    const key = {}
    this.watched.set(key, { caller, ended })
    return () => void this.watched.delete(key)
  }

  /** Checks all watched callers. */
  check(): void {
    for (const [key, { caller, ended }] of this.watched) {
      if (caller.ended() === undefined) continue
      this.watched.delete(key)
      ended()
    }
  }
}
