/**
 * The texts of requests, made beforehand and outside of the heap: tens of thousands of strings would make the collector
 * stop the load for 10 ms now and then, and whatever is due meanwhile would count that to its latency.
 */
export class PreparedRequests {
  private readonly bytes: Buffer
  private readonly ends: ReadonlyArray<number>

  constructor(count: number, textOf: (index: number) => string) {
    const parts: Array<Buffer> = []
    const ends: Array<number> = []
    let end = 0
    for (let index = 0; index < count; index += 1) {
      const part = Buffer.from(textOf(index))
      parts.push(part)
      end += part.length
      ends.push(end)
    }
    this.bytes = Buffer.concat(parts)
    this.ends = ends
  }

  at(index: number): Uint8Array {
    return this.bytes.subarray(index === 0 ? 0 : this.ends[index - 1], this.ends[index])
  }
}
