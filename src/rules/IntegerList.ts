const roomMin = 64

/**
 * A list of small whole numbers in a typed array. A caller uses one `IntegerList` for many searches, so that a search
 * for rules creates no objects.
 */
export class IntegerList {
  values = new Int32Array(roomMin)
  length = 0

  clear(): void {
    this.length = 0
  }

  /** Makes room in the list for further numbers. */
  reserve(further: number): void {
    const needed = this.length + further
    if (needed <= this.values.length) return
    const larger = new Int32Array(Math.max(needed, 2 * this.values.length))
    larger.set(this.values)
    this.values = larger
  }

  push(value: number): void {
    this.reserve(1)
    this.values[this.length] = value
    this.length += 1
  }
}
