/** Draws what the policies made of one load: arrivals, workers, queue and wait over time. */
import type { Point, SimulationReport } from "lemmings/testing"

const colours: { readonly [policy: string]: string } = {
  fixed: "#8a8f98",
  littlesLaw: "#2f9e44",
  instant: "#1c7ed6",
  latency: "#e8590c",
  gradient: "#0c8599",
  throughput: "#c2255c",
  memory: "#9c36b5"
}

// What is no policy, in the order in which it is drawn.
const others = ["#e03131", "#2f9e44", "#1c7ed6"]

// The policies in a picture of many: the lines of the others would hide these.
const drawnOfMany = new Set(["fixed", "littlesLaw", "throughput"])

const width = 860
const left = 64
const right = 16
const top = 64
const gap = 34
const panelHeight = 108

/** One of the diagrams of a picture, below one another. */
export interface Panel {
  readonly title: string
  readonly of: (point: Point) => number
  /** It is the same for all, so that one line says it. */
  readonly once?: boolean
  /** It is a count that jumps. The others are averages. */
  readonly jumps?: boolean
}

const panelsOfPolicies: ReadonlyArray<Panel> = [
  { title: "arrivals per second", of: ({ arrivalRate }) => arrivalRate, once: true },
  { title: "workers", of: ({ workers }) => workers, jumps: true },
  { title: "tasks waiting", of: ({ queued }) => queued },
  { title: "wait p95, milliseconds", of: ({ waitP95Millis }) => waitP95Millis }
]

const escape = (words: string) => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
const text = (x: number, y: number, words: string, extra = "") =>
  `<text x="${Math.round(x)}" y="${Math.round(y)}"${extra === "" ? "" : ` ${extra}`}>${escape(words)}</text>`

/** The largest number of 1, 2 or 5 times a power of ten that leaves `parts` steps below `most`. */
const stepOf = (most: number, parts: number) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1e-9) / parts))
  return [1, 2, 5, 10].map((n) => n * power).find((n) => most / n <= parts) ?? 10 * power
}

/** Enough points for the width, each the highest of those it stands for, so that no peak is lost. */
const thin = (points: ReadonlyArray<Point>, of: Panel["of"], most = 200) => {
  const each = Math.ceil(points.length / most)
  const thinned: Array<{ readonly second: number; readonly value: number }> = []
  for (let i = 0; i < points.length; i += each) {
    const part = points.slice(i, i + each)
    thinned.push({ second: part[0]?.second ?? 0, value: Math.max(...part.map(of)) })
  }
  return thinned
}

const seconds = (n: number) => (n >= 7_200 ? `${n / 3600} h` : n >= 600 ? `${n / 60} min` : `${n} s`)
const timeStep = (end: number) => (end > 7_200 ? 3 * 3600 : end > 600 ? 120 : end > 240 ? 60 : 20)

const legendOfPolicies = ({ policy, wait, workerSeconds }: SimulationReport): string =>
  `${policy}: ${Math.round(workerSeconds).toLocaleString("en-US")} w·s, p99 ${Math.round(wait.p99Millis)} ms`

/** The policies on one load. */
export const draw = (about: string, reports: ReadonlyArray<SimulationReport>): string =>
  drawing(
    about,
    reports.filter(({ policy }) => reports.length < 4 || drawnOfMany.has(policy)),
    panelsOfPolicies,
    legendOfPolicies
  )

/** One load, run in several ways. */
export const drawing = (
  about: string,
  drawn: ReadonlyArray<SimulationReport>,
  panels: ReadonlyArray<Panel>,
  legend: (report: SimulationReport) => string
): string => {
  const [first] = drawn
  if (first === undefined) return ""
  const end = Math.max(...drawn.flatMap(({ timeline }) => timeline.map(({ second }) => second)))
  const x = (second: number) => left + (second / end) * (width - left - right)
  const height = top + panels.length * (panelHeight + gap) + 8
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<style>svg{background:#fff;fill:#343a40}.grid{stroke:#dee2e6}path{fill:none;stroke-width:1.6;stroke-linejoin:round}` +
      `@media(prefers-color-scheme:dark){svg{background:#16191d;fill:#ced4da}.grid{stroke:#343a40}}</style>`,
    text(left, 24, `${first.load}: ${about}`, `font-size="15" font-weight="600"`)
  ]
  const colourOf = (policy: string, i: number) => colours[policy] ?? others[i] ?? "#868e96"
  drawn.forEach((report, i) => {
    const at = left + i * (drawn.length < 3 ? 390 : 250)
    out.push(
      `<rect x="${at}" y="38" width="14" height="4" fill="${colourOf(report.policy, i)}"/>`,
      text(at + 20, 44, legend(report))
    )
  })
  panels.forEach(({ jumps = false, of, once = false, title }, index) => {
    const bottom = top + index * (panelHeight + gap) + panelHeight
    const shown = once ? [first] : drawn
    const lines = shown.map(({ policy, timeline }) => ({ policy, points: thin(timeline, of) }))
    const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(({ value }) => value)))
    const step = stepOf(most, 4)
    const y = (value: number) => bottom - (value / (Math.ceil(most / step) * step)) * (panelHeight - 16)
    out.push(text(left, bottom - panelHeight + 8, title, `font-weight="600"`))
    for (let value = 0; value <= most + step; value += step) {
      if (y(value) < bottom - panelHeight + 12) break
      out.push(
        `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>`,
        text(left - 8, y(value) + 4, value.toLocaleString("en-US"), `text-anchor="end"`)
      )
    }
    for (const [order, { policy, points }] of lines.entries()) {
      const path = points.map(({ second, value }, i) => {
        const at = `${x(second).toFixed(1)} ${y(value).toFixed(1)}`
        return i === 0 ? `M${at}` : jumps ? `H${x(second).toFixed(1)}V${y(value).toFixed(1)}` : `L${at}`
      })
      const colour = once ? "#868e96" : colourOf(policy, order)
      out.push(`<path d="${path.join("")}" stroke="${colour}"/>`)
    }
  })
  for (let at = 0; at <= end; at += timeStep(end)) {
    out.push(text(x(at), height - 22, seconds(at), `text-anchor="middle"`))
  }
  out.push("</svg>")
  return `${out.join("\n")}\n`
}
