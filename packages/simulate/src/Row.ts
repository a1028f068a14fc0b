/** One policy on one load, in figures. */
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
  readonly lost: number
}

const tenths = (n: number) => Math.round(n * 10) / 10

export const rowOf = ({
  load,
  lost,
  policy,
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
  lost
})

const columns: ReadonlyArray<readonly [title: string, width: number, of: (row: Row) => string]> = [
  ["load", 14, ({ load }) => load],
  ["policy", 26, ({ policy }) => policy],
  ["worker-s", 10, ({ workerSeconds }) => Math.round(workerSeconds).toLocaleString("en-US")],
  ["wait p50", 9, ({ waitP50Millis }) => `${Math.round(waitP50Millis)} ms`],
  ["p95", 9, ({ waitP95Millis }) => `${Math.round(waitP95Millis)} ms`],
  ["p99", 9, ({ waitP99Millis }) => `${Math.round(waitP99Millis)} ms`],
  ["actions", 8, ({ scaleActions }) => scaleActions.toLocaleString("en-US")],
  ["reversals", 10, ({ reversals }) => reversals.toLocaleString("en-US")],
  ["lost", 5, ({ lost }) => lost.toLocaleString("en-US")]
]

const line = (cells: ReadonlyArray<string>) =>
  cells
    .map((cell, i) => (i < 2 ? cell.padEnd(columns[i]?.[1] ?? 0) : cell.padStart(columns[i]?.[1] ?? 0)))
    .join(" ")

export const heading = line(columns.map(([title]) => title))

export const textOf = (row: Row): string => line(columns.map(([, , of]) => of(row)))
