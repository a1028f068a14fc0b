// What the page knows, as plain data: frames come in, and what is drawn comes out. No DOM.
import type { Decision, Frame, HerdFrame, Point } from "../../src/model/ControlModel.ts"

export const mostPoints = 600
const mostDecisions = 100

export interface HerdView {
  readonly id: string
  readonly frame: HerdFrame
  readonly points: ReadonlyArray<Point>
  readonly decisions: ReadonlyArray<Decision>
}

export interface View {
  readonly at: number
  readonly readOnly: boolean
  readonly process: Frame["process"]
  readonly herds: ReadonlyArray<HerdView>
  readonly queues: Frame["queues"]
}

/** The next view. The first frame of a connection has everything, and replaces what was there. */
export const merge = (before: View | undefined, frame: Frame, first: boolean): View => {
  const known = new Map((first ? [] : (before?.herds ?? [])).map((herd) => [herd.id, herd]))
  const herds = frame.herds.map((herd): HerdView => {
    const old = known.get(herd.stats.herd)
    return {
      id: herd.stats.herd,
      frame: herd,
      points: [...(old?.points ?? []), ...herd.points].slice(-mostPoints),
      decisions: [...(old?.decisions ?? []), ...herd.decisions].slice(-mostDecisions)
    }
  })
  return { at: frame.at, readOnly: frame.readOnly, process: frame.process, herds, queues: frame.queues }
}

const digits = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" })

export const count = (n: number): string => digits.format(n)

export const rate = (n: number): string =>
  `${n >= 1000 ? short.format(n) : n >= 10 ? n.toFixed(0) : n.toFixed(1)}/s`

export const percent = (part: number): string => `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`

/** Milliseconds as people say them. */
export const millis = (ms: number): string => {
  if (ms < 1) return ms === 0 ? "0 ms" : `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`
}

export const bytes = (n: number): string => {
  const units = ["B", "KB", "MB", "GB", "TB"]
  const power = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  const value = n / 1000 ** power
  return `${value >= 100 || power === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[power]}`
}

const named: { readonly [level: number]: string } = { 0: "low", 5: "normal", 10: "high", 20: "critical" }

export const priority = (level: number): string =>
  named[level] ?? (level >= 1_000_000_000 ? "now" : String(level))

export interface Figure {
  readonly state: "busy" | "idle" | "starting" | "stopping"
  readonly burst: boolean
}

// More would be dust.
export const mostFigures = 240

/** One figure for each worker, or for so many of them that all fit. Busy ones first, burst ones last of each kind. */
export const figures = (
  workers: HerdFrame["stats"]["workers"]
): { each: number; all: ReadonlyArray<Figure> } => {
  const total = workers.busy + workers.idle + workers.starting + workers.stopping
  const each = Math.max(1, Math.ceil(total / mostFigures))
  const all: Array<Figure> = []
  let number = 0
  for (const state of ["busy", "idle", "starting", "stopping"] as const) {
    const some = workers[state] === 0 ? 0 : Math.max(1, Math.round(workers[state] / each))
    for (let i = 0; i < some; i++) all.push({ state, burst: number++ * each >= workers.min })
  }
  return { each, all }
}

/** The picture in words. */
export const describe = ({
  burst,
  busy,
  idle,
  size,
  starting,
  stopping
}: HerdFrame["stats"]["workers"]): string =>
  `${size} workers: ${busy} busy, ${idle} idle, ${starting} starting` +
  (stopping > 0 ? `, and ${stopping} stopping` : "") +
  (burst > 0 ? `; ${burst} of them beyond the minimum` : "")

/** Waits before the n-th attempt to connect again, in milliseconds. */
export const backoff = (attempt: number): number => Math.min(5000, 250 * 2 ** Math.min(attempt, 10))
