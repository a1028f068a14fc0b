// What the page knows, as plain data: frames come in, and what is drawn comes out. No DOM.
import type { Decision, Failure } from "../../src/model/ControlModel.ts"
import type { Frame, HerdDetail, HerdOverview, Points } from "../../src/model/FrameModel.ts"
import type { Problem } from "../../src/model/Problem.ts"
import { counted } from "../../src/conditions/Words.ts"

export { bytes, count, millis, percent, rate } from "../../src/conditions/Words.ts"
export type Queue = NonNullable<Frame["queues"]>[number]

export const mostPoints = 600
const mostDecisions = 100
const mostFailures = 50

/** The herd that is open. */
export interface HerdView {
  readonly id: string
  readonly detail: HerdDetail
  readonly points: Points
  readonly decisions: ReadonlyArray<Decision>
  readonly failures: ReadonlyArray<Failure>
}

export interface View {
  readonly at: number
  readonly service: string | undefined
  readonly version: string | undefined
  readonly readOnly: boolean
  readonly exposeErrors: boolean
  readonly process: Frame["process"]
  readonly problems: ReadonlyArray<Problem>
  readonly herds: ReadonlyArray<HerdOverview>
  readonly queues: ReadonlyArray<Queue>
  readonly open: HerdView | undefined
}

const joined = (before: Points | undefined, more: Points): Points => {
  const all = { ...more }
  for (const name of Object.keys(more) as Array<keyof Points>)
    all[name] = [...(before?.[name] ?? []), ...more[name]].slice(-mostPoints)
  return all
}

const opened = (before: HerdView | undefined, id: string, detail: HerdDetail): HerdView => ({
  id,
  detail,
  points: joined(before?.points, detail.points),
  decisions: [...(before?.decisions ?? []), ...detail.decisions].slice(-mostDecisions),
  failures: [...(before?.failures ?? []), ...detail.failures].slice(-mostFailures)
})

/** The next view. The first frame of a connection has everything, and replaces what was there. */
export const merge = (before: View | undefined, frame: Frame): View => {
  const last = frame.first ? undefined : before
  const known = new Map(last?.herds.map((herd) => [herd.id, herd]))
  for (const herd of frame.herds) known.set(herd.id, herd)
  const ids = frame.herdIds ?? last?.herds.map(({ id }) => id) ?? []
  const { open } = frame
  const id = open?.stats.herd ?? ""
  return {
    at: frame.at,
    service: frame.service,
    version: frame.version,
    readOnly: frame.readOnly,
    exposeErrors: frame.exposeErrors,
    process: frame.process,
    problems: frame.problems,
    herds: ids.flatMap((one) => known.get(one) ?? []),
    queues: frame.queues ?? last?.queues ?? [],
    open: open && opened(last?.open?.id === id ? last.open : undefined, id, open)
  }
}

/** What of all is wrong, in words. */
export const verdict = (view: View) => {
  const critical = view.problems.filter(({ severity }) => severity === "critical").length
  const warnings = view.problems.length - critical
  const all = view.herds.length + view.queues.length
  const ill = new Set(
    view.problems
      .filter(({ subject }) => subject.kind !== "process")
      .map(({ subject }) => `${subject.kind} ${subject.id}`)
  )
  const words = [
    ...(critical > 0 ? [counted(critical, "problem")] : []),
    ...(warnings > 0 ? [counted(warnings, "warning")] : [])
  ].join(", ")
  return {
    level: critical > 0 ? ("critical" as const) : warnings > 0 ? ("warning" as const) : ("fine" as const),
    number: critical > 0 ? critical : warnings,
    words: words === "" ? (all === 0 ? "No herd yet" : "Everything is fine") : words,
    rest:
      all === 0
        ? ""
        : words === ""
          ? `${counted(view.herds.length, "herd")}, ${counted(view.queues.length, "queue")}`
          : `${all - ill.size} of ${all} are fine`
  }
}

const named: { readonly [level: number]: string } = { 0: "low", 5: "normal", 10: "high", 20: "critical" }

export const priority = (level: number): string =>
  named[level] ?? (level >= 1_000_000_000 ? "now" : String(level))

export interface Figure {
  readonly state: "busy" | "idle" | "starting" | "stopping"
  readonly burst: boolean
}

type Workers = HerdDetail["stats"]["workers"]

/** More are drawn as a bar. */
export const mostFigures = 60

/** One figure for each worker, busy ones first, burst ones last. `undefined`: too many to draw. */
export const figures = (workers: Workers): ReadonlyArray<Figure> | undefined => {
  if (workers.busy + workers.idle + workers.starting + workers.stopping > mostFigures) return undefined
  const all: Array<Figure> = []
  for (const state of ["busy", "idle", "starting", "stopping"] as const)
    for (let i = 0; i < workers[state]; i++) all.push({ state, burst: all.length >= workers.min })
  return all
}

/** The picture in words. */
export const describe = ({ burst, busy, idle, size, starting, stopping }: Workers): string =>
  `${counted(size, "worker")}: ${busy} busy, ${idle} idle, ${starting} starting` +
  (stopping > 0 ? `, and ${stopping} stopping` : "") +
  (burst > 0 ? `; ${burst} of them beyond the minimum` : "")

/** Failures that say the same, most frequent first. */
export const grouped = <T>(
  all: ReadonlyArray<T>,
  keyOf: (one: T) => string,
  atOf: (one: T) => number
): ReadonlyArray<{
  readonly key: string
  readonly all: ReadonlyArray<T>
  readonly first: number
  readonly last: number
}> => {
  const groups = new Map<string, Array<T>>()
  for (const one of all) {
    const key = keyOf(one)
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return [...groups]
    .map(([key, some]) => ({
      key,
      all: some,
      first: Math.min(...some.map(atOf)),
      last: Math.max(...some.map(atOf))
    }))
    .toSorted((a, b) => b.all.length - a.all.length || b.last - a.last)
}

/** Waits before the n-th attempt to connect again, in milliseconds. */
export const backoff = (attempt: number): number => Math.min(5000, 250 * 2 ** Math.min(attempt, 10))

const day = (at: number): string => new Date(at).toDateString()

/** A time of today, or a date and a time. */
export const clock = (at: number, now = Date.now()): string => {
  const date = new Date(at)
  const time = date.toLocaleTimeString("en-GB")
  if (day(at) === day(now)) return time
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: day(at).slice(-4) === day(now).slice(-4) ? undefined : "numeric" })} ${time}`
}
