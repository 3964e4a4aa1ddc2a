import { draw } from "./Elements.js"

/** The most values that are drawn: one value a second for two minutes. */
const valuesMax = 120
const width = 240
const height = 40

/** A small line chart of the newest values of a figure. The newest value stands beside the line as a number. */
export class Sparkline {
  /** @type {Array<number>} */
  values = []

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.area = draw("path", { class: "area" })
    this.stroke = draw("path", { class: "stroke" })
    const box = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }
    parent.append(draw("svg", box, this.area, this.stroke))
  }

  /** The highest of the drawn values. */
  get highest() {
    return Math.max(0, ...this.values)
  }

  /** @param {number} value */
  add(value) {
    this.values.push(value)
    if (this.values.length > valuesMax) this.values.shift()
    const top = Math.max(1, this.highest)
    const step = width / (valuesMax - 1)
    const start = width - (this.values.length - 1) * step
    const points = this.values.map(
      (one, index) => `${(start + index * step).toFixed(1)} ${(height - 1 - (one / top) * (height - 3)).toFixed(1)}`
    )
    this.stroke.setAttribute("d", `M${points.join("L")}`)
    this.area.setAttribute("d", `M${start.toFixed(1)} ${height}L${points.join("L")}L${width} ${height}Z`)
  }
}
