import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { BarChart, CustomChart } from "echarts/charts"
import { GridComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import type { Figure } from "./Figures.ts"

use([BarChart, CustomChart, GridComponent, TitleComponent, SVGRenderer])

const width = 760
const rowHeight = 30
const characterWidth = 7.5
const frameHeight = 90
const colours = { system: "#2f6fb0", floor: "#b8bec6", range: "#333333" }

interface Chart {
  readonly file: string
  readonly title: string
  readonly figures: ReadonlyArray<Figure>
}

const rounded = (value: number): string =>
  value.toLocaleString("en", value >= 1_000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })

/**
 * Draws a bar for each figure. The length of a bar is the median of the runs. The thin line over a bar goes from the
 * least value of a run to the greatest value.
 */
const drawn = ({ title, figures }: Chart): string => {
  // The width of a text cannot be measured without a browser, so the width of a wide font is assumed.
  const nameWidth = 16 + characterWidth * Math.max(...figures.map(({ name }) => name.length))
  const height = frameHeight + rowHeight * figures.length
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: 8, textStyle: { fontSize: 14, fontWeight: "normal" } },
    grid: { left: nameWidth, right: 90, top: 40, bottom: 28, outerBoundsMode: "none" },
    xAxis: { type: "value", min: 0, axisLabel: { hideOverlap: true } },
    yAxis: { type: "category", inverse: true, data: figures.map(({ name }) => name), axisTick: { show: false } },
    series: [
      {
        type: "bar",
        barWidth: "60%",
        data: figures.map(({ name, median }) => ({
          value: median,
          itemStyle: { color: name.includes("floor") ? colours.floor : colours.system }
        }))
      },
      {
        type: "custom",
        data: figures.map(({ min, max }, index) => [index, min, max]),
        encode: { x: [1, 2], y: 0 },
        renderItem: (
          _params: unknown,
          api: { value: (index: number) => number; coord: (point: Array<number>) => Array<number> }
        ) => {
          const [from = 0, y = 0] = api.coord([api.value(1), api.value(0)])
          const [to = 0] = api.coord([api.value(2), api.value(0)])
          const line = (x1: number, y1: number, x2: number, y2: number) => ({
            type: "line" as const,
            shape: { x1, y1, x2, y2 },
            style: { stroke: colours.range }
          })
          const range = [line(from, y, to, y), line(from, y - 4, from, y + 4), line(to, y - 4, to, y + 4)]
          const text = rounded(figures[api.value(0)]?.median ?? 0)
          const label = { text, x: to + 8, y, verticalAlign: "middle" as const, fill: colours.range, fontSize: 12 }
          return { type: "group" as const, children: [...range, { type: "text" as const, style: label }] }
        }
      }
    ]
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

const runsText = (figures: ReadonlyArray<Figure>): string => {
  const runs = new Set(figures.map((figure) => figure.runs))
  return `median and range of ${Array.from(runs).join(" or ")} runs`
}

/**
 * Draws one chart for each unit that more than one figure has, except for ratios, which the other charts show already.
 */
export const draw = (figures: ReadonlyArray<Figure>, directory: string): Array<string> => {
  mkdirSync(directory, { recursive: true })
  const byUnit = Map.groupBy(figures, ({ unit }) => unit)
  byUnit.delete("ratio")
  return Array.from(byUnit, ([unit, group]) => {
    const file = join(directory, `${unit.replaceAll(/[^a-z]+/gi, "-")}.svg`)
    writeFileSync(file, `${drawn({ file, title: `${unit}: ${runsText(group)}`, figures: group })}\n`)
    return file
  })
}
