const bytesFirst = 1 << 20

/**
 * Keeps the texts of requests, which are made beforehand, outside of the heap. Tens of thousands of strings would make
 * the garbage collector stop the load now and then. The stops of the garbage collector would count as latency of the
 * requests that are due during the stops.
 */
export class PreparedRequests {
  private bytes = Buffer.allocUnsafe(bytesFirst)
  private readonly ends: Array<number> = [0]

  constructor(count: number, textOf: (index: number) => string) {
    let end = 0
    for (let index = 0; index < count; index += 1) {
      const text = textOf(index)
      const needed = end + Buffer.byteLength(text)
      if (needed > this.bytes.length) this.bytes = Buffer.concat([this.bytes], 2 * needed)
      end += this.bytes.write(text, end)
      this.ends.push(end)
    }
  }

  at(index: number): Uint8Array {
    return this.bytes.subarray(this.ends[index], this.ends[index + 1])
  }
}
