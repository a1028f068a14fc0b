// Lines over time, each with its last values in words.
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import type { Decision, Point } from "../../src/model/ControlModel.ts"

export interface Line {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly color: string
  readonly value: (point: Point) => number
  readonly dash?: ReadonlyArray<number>
}

interface Props {
  readonly title: string
  readonly points: ReadonlyArray<Point>
  readonly lines: ReadonlyArray<Line>
  readonly format: (value: number) => string
  /** Drawn as marks. */
  readonly decisions?: ReadonlyArray<Decision>
  /** Changes when the colours do. */
  readonly theme: string
}

const height = 150

const colorOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** A mark at each decision: up, or down. */
const marks = (decisions: () => ReadonlyArray<Decision>) => (plot: uPlot) => {
  const { ctx, bbox } = plot
  const size = 4 * devicePixelRatio
  ctx.save()
  for (const { at, from, to } of decisions()) {
    const x = plot.valToPos(at / 1000, "x", true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    const up = to >= from
    ctx.fillStyle = colorOf(up ? "--up" : "--down")
    ctx.beginPath()
    const base = bbox.top + (up ? 2 * size : 0)
    ctx.moveTo(x - size, base)
    ctx.lineTo(x + size, base)
    ctx.lineTo(x, up ? base - 2 * size : base + 2 * size)
    ctx.fill()
  }
  ctx.restore()
}

const options = (props: Props, width: number, decisions: () => ReadonlyArray<Decision>): uPlot.Options => {
  const axis = {
    stroke: colorOf("--muted"),
    grid: { stroke: colorOf("--line"), width: 1 },
    ticks: { show: false }
  }
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 70,
        font: "11px system-ui",
        values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB"))
      },
      { ...axis, size: 58, font: "11px system-ui", values: (_, ticks) => ticks.map(props.format) }
    ],
    series: [
      {},
      ...props.lines.map(({ color, dash, label }) => ({
        label,
        stroke: colorOf(color),
        width: 1.5,
        points: { show: false },
        ...(dash === undefined ? {} : { dash: [...dash] })
      }))
    ],
    hooks: { draw: [marks(decisions)] }
  }
}

const data = ({ lines, points }: Props): uPlot.AlignedData => [
  points.map(({ at }) => at / 1000),
  ...lines.map(({ value }) => points.map(value))
]

export const Chart = (props: Props) => {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const latest = useRef(props)
  latest.current = props

  useEffect(() => {
    const { current: element } = place
    if (element === null) return
    const made = new uPlot(
      options(latest.current, element.clientWidth, () => latest.current.decisions ?? []),
      data(latest.current),
      element
    )
    plot.current = made
    const sized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    sized.observe(element)
    return () => {
      sized.disconnect()
      made.destroy()
    }
  }, [props.theme])
  useEffect(() => plot.current?.setData(data(props)), [props.points])

  const last = props.points.at(-1)
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        {props.lines.map((line) => (
          <span class="key" key={line.label}>
            <span class={`swatch ${line.dash === undefined ? "" : "dashed"}`} data-color={line.color} />
            {line.label} <b>{last === undefined ? "–" : props.format(line.value(last))}</b>
          </span>
        ))}
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  )
}
