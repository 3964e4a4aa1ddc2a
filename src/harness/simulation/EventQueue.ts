/** A function that is called at a planned time, unless the event is cancelled before. */
interface Event {
  readonly at: number
  readonly number: number
  happens: (() => void) | undefined
}

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.number < other.number)

/**
 * The events to come, in the order of their times, in a binary heap. Events of the same time are in the order in which
 * they were planned.
 */
export class EventQueue {
  private readonly heap: Array<Event> = []
  private planned = 0

  /** Plans an event. Returns a function that cancels the event. */
  plan(at: number, happens: () => void): () => void {
    this.planned += 1
    const event: Event = { at, number: this.planned, happens }
    const { heap } = this
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = event
    return () => void (event.happens = undefined)
  }

  /** The time of the next event that is not cancelled; `undefined` if no such event is left. */
  get nextAt(): number | undefined {
    for (let next = this.heap[0]; next !== undefined; next = this.heap[0]) {
      if (next.happens !== undefined) return next.at
      this.take()
    }
    return undefined
  }

  take(): (() => void) | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first?.happens
    let index = 0
    while (true) {
      let child = 2 * index + 1
      const left = heap[child]
      if (left === undefined) break
      const right = heap[child + 1]
      let smaller = left
      if (right !== undefined && isBefore(right, left)) {
        smaller = right
        child += 1
      }
      if (!isBefore(smaller, last)) break
      heap[index] = smaller
      index = child
    }
    heap[index] = last
    return first.happens
  }
}
