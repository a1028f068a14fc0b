/** One policy, or another way to run it, on one load, in figures. */
import type { SimulationReport } from "lemmings/testing"

export interface Row {
  readonly load: string
  readonly policy: string
  readonly workerSeconds: number
  readonly waitP50Millis: number
  readonly waitP95Millis: number
  readonly waitP99Millis: number
  readonly scaleActions: number
  readonly reversals: number
  readonly goodput: number
  readonly jain: number
  readonly rateError: number
  readonly attempts: number
  readonly dropped: number
  readonly lost: number
}

const tenths = (n: number) => Math.round(n * 10) / 10

const thousandths = (n: number) => Math.round(n * 1000) / 1000

export const rowOf = ({
  attempts,
  dropped,
  goodput,
  jain,
  load,
  lost,
  policy,
  rateError,
  reversals,
  scaleActions,
  wait,
  workerSeconds
}: SimulationReport): Row => ({
  load,
  policy,
  workerSeconds: tenths(workerSeconds),
  waitP50Millis: tenths(wait.p50Millis),
  waitP95Millis: tenths(wait.p95Millis),
  waitP99Millis: tenths(wait.p99Millis),
  scaleActions,
  reversals,
  goodput: thousandths(goodput),
  jain: thousandths(jain),
  rateError: Math.round(rateError * 1e5) / 1e5,
  attempts,
  dropped,
  lost
})

type Column = readonly [title: string, width: number, of: (row: Row) => string]

const count = (n: number) => Math.round(n).toLocaleString("en-US")

const wide: ReadonlyArray<Column> = [
  ["load", -14, ({ load }) => load],
  ["policy", -26, ({ policy }) => policy],
  ["worker-s", 10, ({ workerSeconds }) => count(workerSeconds)],
  ["wait p50", 9, ({ waitP50Millis }) => `${Math.round(waitP50Millis)} ms`],
  ["p95", 9, ({ waitP95Millis }) => `${Math.round(waitP95Millis)} ms`],
  ["p99", 9, ({ waitP99Millis }) => `${Math.round(waitP99Millis)} ms`],
  ["actions", 8, ({ scaleActions }) => count(scaleActions)],
  ["reversals", 10, ({ reversals }) => count(reversals)],
  ["goodput", 8, ({ goodput }) => goodput.toFixed(3)],
  ["lost", 5, ({ lost }) => count(lost)]
]

// A load has a line of its own. 60 columns.
const narrow: ReadonlyArray<Column> = [
  ["policy", -10, ({ policy }) => policy],
  ["worker-s", 9, ({ workerSeconds }) => count(workerSeconds)],
  ["p50 ms", 6, ({ waitP50Millis }) => String(Math.round(waitP50Millis))],
  ["p95 ms", 7, ({ waitP95Millis }) => String(Math.round(waitP95Millis))],
  ["p99 ms", 7, ({ waitP99Millis }) => String(Math.round(waitP99Millis))],
  ["act/rev", 9, ({ reversals, scaleActions }) => `${scaleActions}/${reversals}`],
  ["lost", 5, ({ lost }) => count(lost)]
]

// What limits, fairness and dropping are judged by.
const wideFlow: ReadonlyArray<Column> = [
  ["load", -14, ({ load }) => load],
  ["how", -30, ({ policy }) => policy],
  ["goodput", 8, ({ goodput }) => goodput.toFixed(3)],
  ["fair", 6, ({ jain }) => jain.toFixed(3)],
  ["rate err", 8, ({ rateError }) => `${(rateError * 100).toFixed(2)} %`],
  ["attempts", 8, ({ attempts }) => count(attempts)],
  ["dropped", 8, ({ dropped }) => count(dropped)],
  ["wait p50", 9, ({ waitP50Millis }) => `${count(waitP50Millis)} ms`],
  ["p99", 10, ({ waitP99Millis }) => `${count(waitP99Millis)} ms`],
  ["lost", 5, ({ lost }) => count(lost)]
]

const narrowFlow: ReadonlyArray<Column> = [
  ["how", -10, ({ policy }) => policy],
  ["goodput", 7, ({ goodput }) => goodput.toFixed(3)],
  ["fair", 5, ({ jain }) => jain.toFixed(3)],
  ["rate err", 8, ({ rateError }) => `${(rateError * 100).toFixed(2)} %`],
  ["attempts", 8, ({ attempts }) => count(attempts)],
  ["dropped", 7, ({ dropped }) => count(dropped)],
  ["p99 ms", 8, ({ waitP99Millis }) => String(Math.round(waitP99Millis))]
]

const widthOf = (columns: ReadonlyArray<Column>) =>
  columns.reduce((sum, [, width]) => sum + 1 + Math.abs(width), -1)

const line = (columns: ReadonlyArray<Column>, cell: (column: Column) => string) =>
  columns
    .map((column) => {
      const [, width] = column
      const text = cell(column)
      // A name that is too long has a line of its own.
      if (-width >= text.length) return text.padEnd(-width)
      return width < 0 ? `${text}\n${" ".repeat(-width)}` : text.padStart(width)
    })
    .join(" ")

/** A table for a terminal of so many columns, line by line: of scaling policies, or of flow control. */
export const tableFor = (terminal: number, about: "scaling" | "flow" = "scaling") => {
  const [most, least] = about === "flow" ? [wideFlow, narrowFlow] : [wide, narrow]
  const columns = terminal >= widthOf(most) ? most : least
  let load = ""
  return {
    heading: line(columns, ([title]) => title),
    /** What comes next in it. */
    textOf: (row: Row): string => {
      const text = line(columns, ([, , of]) => of(row))
      const above = columns === least && row.load !== load ? `${row.load}:\n` : ""
      load = row.load
      return above + text
    }
  }
}
