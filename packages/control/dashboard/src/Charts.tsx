// Lines over time, each with its last values in words. All charts of a page share their axis and their cursor.
import { useEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import type { Decision } from "../../src/model/ControlModel.ts"
import type { Points } from "../../src/model/FrameModel.ts"

export interface Line {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly color: string
  readonly of: keyof Points
  readonly dash?: ReadonlyArray<number>
}

interface Props {
  readonly title: string
  readonly points: Points
  readonly lines: ReadonlyArray<Line>
  readonly format: (value: number) => string
  /** Drawn as marks. */
  readonly decisions: ReadonlyArray<Decision>
  /** Changes when the colours do. */
  readonly theme: string
  /** Whether the times stand below it. */
  readonly times: boolean
}

// What is shown at least and at most, in seconds.
const shortest = 120
const longest = 600

const colorOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** A line at each decision, with a tip: up, or down. */
const marks = (decisions: () => ReadonlyArray<Decision>) => (plot: uPlot) => {
  const { bbox, ctx } = plot
  const size = 4 * devicePixelRatio
  ctx.save()
  ctx.setLineDash([])
  for (const { at, from, to } of decisions()) {
    const x = plot.valToPos(at / 1000, "x", true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    const up = to >= from
    ctx.fillStyle = ctx.strokeStyle = colorOf(up ? "--up" : "--down")
    ctx.globalAlpha = 0.25
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    ctx.globalAlpha = 1
    ctx.beginPath()
    const base = bbox.top + (up ? 2 * size : 0)
    ctx.moveTo(x - size, base)
    ctx.lineTo(x + size, base)
    ctx.lineTo(x, up ? base - 2 * size : base + 2 * size)
    ctx.fill()
  }
  ctx.restore()
}

const heightOf = ({ times }: Props): number => (times ? 124 : 96)

const options = (props: Props, width: number, decisions: () => ReadonlyArray<Decision>): uPlot.Options => {
  const axis = {
    stroke: colorOf("--muted"),
    grid: { stroke: colorOf("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui"
  }
  return {
    width,
    height: heightOf(props),
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, sync: { key: "herd" } },
    scales: {
      x: { range: (_, min, max) => [Math.max(max - longest, Math.min(min, max - shortest)), max] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] }
    },
    axes: [
      {
        ...axis,
        size: props.times ? 28 : 4,
        space: 70,
        values: (_, ticks) =>
          props.times
            ? ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB"))
            : ticks.map(() => "")
      },
      { ...axis, size: 62, space: 28, values: (_, ticks) => ticks.map(props.format) }
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
  points.at.map((at) => at / 1000),
  ...lines.map(({ of }) => [...points[of]])
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
      options(latest.current, element.clientWidth, () => latest.current.decisions),
      data(latest.current),
      element
    )
    plot.current = made
    const sized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: heightOf(latest.current) })
    )
    sized.observe(element)
    return () => {
      sized.disconnect()
      made.destroy()
    }
  }, [props.theme])
  useEffect(() => plot.current?.setData(data(props)), [props.points.at.at(-1), props.points.at.length])

  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        {props.lines.map((line) => {
          const last = props.points[line.of].at(-1)
          return (
            <span class="key" key={line.label}>
              <span class={`swatch ${line.dash === undefined ? "" : "dashed"}`} data-color={line.color} />
              {line.label} <b>{last === undefined ? "–" : props.format(last)}</b>
            </span>
          )
        })}
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  )
}
