import type { Caller } from "./Caller.ts"

/** Calls a function when the rights of a caller end. All feeds of an edge share one `EndWatch`. */
export class EndWatch {
  private readonly watched = new Map<object, { readonly caller: Caller; readonly ended: () => void }>()

  /** Calls `ended` once when the rights of a caller end. Returns a function that stops the watch. */
  add(caller: Caller, ended: () => void): () => void {
    const key = {}
    this.watched.set(key, { caller, ended })
    return () => void this.watched.delete(key)
  }

  /** Checks the rights of all watched callers, and calls the functions of callers whose rights have ended. */
  check(): void {
    for (const [key, { caller, ended }] of this.watched) {
      if (caller.ended() === undefined) continue
      this.watched.delete(key)
      ended()
    }
  }
}
