/** Draws how much of what is possible is done in time, by how much is asked for. */
import { overloads } from "./Flows.ts"
import type { Row } from "./Row.ts"

const width = 860
const height = 330
const left = 64
const right = 280
const top = 70
const bottom = 280

const lines: ReadonlyArray<{ readonly of: string; readonly about: string; readonly style: string }> = [
  { of: "fixed, predicted", about: "fixed, what cannot end in time is not begun", style: `stroke="#2f9e44"` },
  {
    of: "fixed, expired",
    about: "fixed, what is late is dropped",
    style: `stroke="#2f9e44" stroke-dasharray="5 4"`
  },
  { of: "exponential, predicted", about: "exponential, not begun", style: `stroke="#1c7ed6"` },
  {
    of: "exponential, expired",
    about: "exponential, dropped when late",
    style: `stroke="#1c7ed6" stroke-dasharray="5 4"`
  }
]

const x = (factor: number) => left + (factor / 3) * (width - left - right)
const y = (goodput: number) => bottom - Math.min(1, goodput) * (bottom - top)
const text = (at: number, down: number, words: string, extra = "") =>
  `<text x="${Math.round(at)}" y="${Math.round(down)}"${extra === "" ? "" : ` ${extra}`}>${words}</text>`

export const drawOverload = (about: string, rows: ReadonlyArray<Row>): string => {
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<style>svg{background:#fff;fill:#343a40}.grid{stroke:#dee2e6}path{fill:none;stroke-width:1.8;stroke-linejoin:round}` +
      `@media(prefers-color-scheme:dark){svg{background:#16191d;fill:#ced4da}.grid{stroke:#343a40}}</style>`,
    text(left, 24, `overload: ${about}`, `font-size="15" font-weight="600"`),
    text(left, 50, "tasks done in time, as part of what is possible", `font-weight="600"`)
  ]
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    out.push(
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(part)}" y2="${y(part)}"/>`,
      text(left - 8, y(part) + 4, `${part * 100} %`, `text-anchor="end"`)
    )
  }
  const ends: Array<number> = []
  for (const { about: label, of, style } of lines) {
    const points = overloads.flatMap((factor) => {
      const row = rows.find(({ policy }) => policy === `${factor} x, ${of}`)
      return row === undefined ? [] : [{ factor, goodput: row.goodput }]
    })
    const last = points.at(-1)
    if (last === undefined) continue
    const path = points.map(
      ({ factor, goodput }, i) => `${i === 0 ? "M" : "L"}${x(factor).toFixed(1)} ${y(goodput).toFixed(1)}`
    )
    out.push(`<path d="${path.join("")}" ${style}/>`)
    // Labels of lines that end near one another stand apart.
    let at = y(last.goodput) + 4
    while (ends.some((other) => Math.abs(other - at) < 14)) at -= 14
    ends.push(at)
    out.push(text(x(last.factor) + 8, at, label))
  }
  for (const factor of overloads) {
    out.push(text(x(factor), bottom + 20, `${factor} x`, `text-anchor="middle"`))
  }
  out.push(text(left, bottom + 40, "offered, in parts of what the workers can do"), "</svg>")
  return `${out.join("\n")}\n`
}
