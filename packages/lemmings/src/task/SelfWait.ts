/**
 * Tells of a herd where every worker runs a task that waits for a task of the same herd, which none of them can begin.
 *
 * **Details**
 *
 * A task that stands in line remembers the fiber that waits for it. Nothing is looked at while tasks start: only where
 * nothing has started for a while although somebody waits, the fibers of the running tasks, and their children, are
 * compared with those. Fibers that a task starts and leaves (`Effect.forkDetach`), and those of `Effect.all` and of races,
 * are not known as its own.
 */
import { Effect } from "effect"
import * as Fibers from "../internal/Fibers.ts"
import { inLine, titled } from "../internal/Line.ts"
import type { Lease } from "../workers/Worker.ts"
import { type Runtime, waiting } from "./TaskRuntime.ts"

type Herd = Pick<
  Runtime,
  "batches" | "events" | "herd" | "line" | "pool" | "selfWait" | "starved" | "state" | "timers" | "waits"
>

/** What is known of the wait of a herd. */
export interface Looks {
  /** Whether somebody is going to look. */
  armed: boolean
  /** Milliseconds until the look. */
  after: number
  /** Tasks that had started when somebody looked. */
  started: number
  /** Since when none has started, on the herd's monotonic clock. */
  since: number
  /** Whether it was told of this wait. */
  told: boolean
}

const first = 100
const longest = 1000
// After so long without a start, workers that might come are not expected any more.
const patience = 5000
// Tasks in line that are looked at: a look must be short.
const mostInLine = 20_000
const mostNames = 3

/** Somebody waits for a task that stands in line. */
export const noticed = (rt: Herd): void => {
  const looks = rt.selfWait
  if (looks.armed || rt.pool.idle() > 0) return
  looks.after = first
  begins(rt)
  arm(rt)
}

const begins = ({ selfWait, timers, waits }: Herd): void => {
  selfWait.started = waits.count
  selfWait.since = timers.now()
  selfWait.told = false
}

const arm = (rt: Herd): void => {
  const { selfWait, timers } = rt
  selfWait.armed = true
  timers.beside.schedule(timers.now() + selfWait.after, () => {
    selfWait.armed = false
    look(rt)
  })
}

const look = (rt: Herd): void => {
  const { pool, selfWait, state, timers, waits } = rt
  if (state !== "running" || waiting(rt) === 0) return
  if (waits.count !== selfWait.started) {
    begins(rt)
    selfWait.after = first
  } else {
    selfWait.after = Math.min(2 * selfWait.after, longest)
    const last = pool.full() || timers.now() - selfWait.since >= patience
    if (!selfWait.told && last && isStuck(rt)) tell(rt)
  }
  arm(rt)
}

const isStuck = ({ pool, starved }: Herd): boolean =>
  !pool.paused() && !starved && pool.idle() === 0 && pool.coming() === 0 && pool.size() > 0

/** The fibers that wait for tasks in line. */
const waiters = ({ line }: Herd): Set<unknown> => {
  const found = new Set<unknown>()
  let looked = 0
  for (const tasks of [line.waiting(), line.suspended()]) {
    for (const { waiter } of tasks) {
      if (waiter !== undefined) found.add(waiter)
      if (++looked >= mostInLine) return found
    }
  }
  return found
}

/** Whether one of them, or of their children, is among those who wait. */
const isAmong = (found: ReadonlySet<unknown>, { holder }: Lease): boolean =>
  holder?.works !== undefined && Fibers.someOf(holder.works, (fiber) => found.has(fiber))

const tell = (rt: Herd): void => {
  const { events, herd, pool, selfWait } = rt
  const found = waiters(rt)
  if (found.size === 0) return
  // One that runs beside the workers frees none of them.
  const leases = pool.leases().filter(({ workerId }) => workerId > 0)
  const workers = new Set(leases.map(({ workerId }) => workerId)).size
  if (workers < pool.size() || !leases.every((lease) => isAmong(found, lease))) return
  selfWait.told = true
  const names = new Set(leases.map(({ holder }) => inLine(holder?.label ?? holder?.id ?? "")))
  const shown = [...names].slice(0, mostNames).map((name) => `"${name}"`)
  if (names.size > mostNames) shown.push("others")
  const all =
    workers === 1 ? "its only worker runs a task that waits" : `all ${workers} workers run tasks that wait`
  const text =
    `${titled(events.kind, herd)}: ${all} for tasks of the same herd, which no worker is free to begin: ${shown.join(", ")}. ` +
    "Give the inner tasks a herd of their own, or the herd more workers than there are tasks that wait, or use acquireTimeout"
  pool.background("the log", Effect.logWarning(text))
}
